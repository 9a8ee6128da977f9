// Package enginetest runs the real engines for tests: Redis, Kafka, and FerretDB on PostgreSQL, which speaks MongoDB's protocol.
//
// There are two kinds. The shared ones are those of `make services`: [Kafka], [Redis] and [Mongo] find them for a test, which
// keeps out of other tests' way by a deployment name of its own ([Name]). The private ones are for tests that hurt an engine:
// [NewRedis], [NewKafka] and the others start one that belongs to the test and ends with it; a [Server] can be paused, killed
// and restarted on the same port with the same data. Programs that are not tests use [StartRedis], [StartKafka], [StartMongo].
//
// What is run comes from scripts/engines. A test whose engine is not there is skipped, and fails with HUBBUB_REQUIRE_ALL=1.
// Everything listens on 127.0.0.1 only. A broker holds about four open files for a partition, of 20,000 that a process may
// have: give a test's topics few partitions, and delete them at its end.
package enginetest
