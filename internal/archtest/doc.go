// Package archtest holds the direction of imports by a test: the table in it is the policy of DESIGN.md §3.
package archtest
