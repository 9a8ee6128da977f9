// Package node puts a node together: it opens the engines, wires the hops of a message's path to each other, watches over their health,
// and starts and stops them in the right order. It is the only package that knows all names.
package node
