package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
)

// serveCluster runs a deployment until ctx ends.
func serveCluster(ctx context.Context, o options) error {
	fmt.Println("Starting Kafka, Redis, the MongoDB-wire server and three nodes …")
	d, err := deploy(ctx, o, o.port)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nproxy\thttp://%s\tround robin, no sticky sessions: open this one\n", d.addr)
	for i, n := range d.nodes {
		fmt.Fprintf(w, "node %d\thttp://%s\tpid %d\n", i+1, n.addr, n.cmd.Process.Pid)
	}
	fmt.Fprintf(w, "log\t%s\tpid %d\n", d.logAddr(), d.kafka.Pid())
	fmt.Fprintf(w, "bus\t%s\tpid %d\n", d.busAddr(), d.redis.Pid())
	fmt.Fprintf(w, "store\t%s\tpid %d\n", d.storeAddr(), d.mongo.Pid())
	fmt.Fprintf(w, "data\t%s\tremoved at the end\n", d.dir)
	err = w.Flush()
	fmt.Printf("\nHow it is:\n%s doctor --log '%s' --bus '%s' --store '%s' --secret %s --allow-single-broker --listen %s --advertise %s\n", o.bin,
		d.logAddr(), d.busAddr(), d.storeAddr(), d.secret, d.nodes[0].addr, d.nodes[0].addr)
	fmt.Println("\nCtrl-C ends all of it.")
	<-ctx.Done()
	fmt.Println("\nEnding …")
	for i, n := range d.proxy.Counts() {
		fmt.Printf("node %d answered %d requests of the proxy\n", i+1, n)
	}
	return errors.Join(err, d.end())
}
