// Package store is hop 9 of a message's path: history, rooms, members, the dead, and W, how far each partition of the log has been
// saved. SQLite is its embedded engine, Mongo that of a cluster. An engine implements chat.Archive for the persister and chat.Messages and chat.Directory for
// readers; package storetest pins what all engines have in common, package faulty makes any of them fail on demand.
package store
