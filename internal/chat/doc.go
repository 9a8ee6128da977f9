// Package chat is hop 3 of a message's path: the domain. It holds the words of the product (room, member, message, record, view),
// the rules of who may do what, the Service that turns a request into a record of the log, and the ports through which it and the
// hops behind it reach the engines. It imports the standard library only.
package chat
