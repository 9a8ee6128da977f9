// Package msglog is hop 4 of a message's path: the log. What is acknowledged here is durable, and everything behind it is derived from here.
// One file for each engine: disk.go is the embedded one, over the segments of package segment. logtest pins what all engines have in common.
package msglog
