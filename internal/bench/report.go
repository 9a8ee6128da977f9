package bench

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// Result is what a run of a load showed.
type Result struct {
	Sockets  int     `json:"sockets"`
	Rooms    int     `json:"rooms"`
	InFlight int     `json:"in_flight,omitempty"`
	Rate     float64 `json:"rate,omitempty"`
	Size     int     `json:"size"`

	Sent       int64  `json:"sent"`
	Acked      int64  `json:"acked"`
	Refused    int64  `json:"refused"` // or without an answer
	RefusedWhy string `json:"refused_why,omitempty"`
	GivenUp    int64  `json:"given_up"`     // not acked and delivered to all in time
	Unanswered int64  `json:"unanswered"`   // sends without an answer on a connection that lasts
	Strayed    int64  `json:"strayed"`      // deliveries to a socket of another room
	Delivered  int64  `json:"delivered"`    // each message once for each socket
	Lost       int64  `json:"lost"`         // deliveries of what was not refused
	Duplicated int64  `json:"duplicated"`   // deliveries
	OutOfOrder int64  `json:"out_of_order"` // deliveries behind a later one of the same sender
	OtherOrder int64  `json:"other_order"`  // sockets that saw another order than the first of their room
	Closed     int    `json:"closed"`       // sockets
	ClosedWhy  string `json:"closed_why,omitempty"`

	DeliveriesPerSecond float64     `json:"deliveries_per_s"`
	AcksPerSecond       float64     `json:"acks_per_s"`
	Ack                 Percentiles `json:"ack_ms"`
	Delivery            Percentiles `json:"delivery_ms"`

	Seconds           float64            `json:"seconds"`
	CPU               map[string]float64 `json:"cpu_s,omitempty"` // of what is watched, by name
	ServerCPU         float64            `json:"server_cpu_s"`
	CPUPerDelivery    float64            `json:"server_cpu_per_delivery_us"`
	ServerMemoryBytes int64              `json:"server_rss_bytes"`
	GeneratorCPU      float64            `json:"generator_cpu_s"`
}

// use notes what the watched processes used for so many deliveries.
func (r *Result) use(watched []Process, cpu map[string]float64, deliveries int64) {
	if len(watched) == 0 {
		return
	}
	r.CPU, r.ServerCPU, r.ServerMemoryBytes = cpu, sum(cpu), rss(watched)
	if deliveries > 0 {
		r.CPUPerDelivery = r.ServerCPU * 1e6 / float64(deliveries)
	}
}

// Wrong says in one sentence what no server may do, or nothing.
func (r *Result) Wrong() error {
	if r.Lost+r.Duplicated+r.OutOfOrder+r.OtherOrder+r.Unanswered+r.Strayed == 0 {
		return nil
	}
	text := fmt.Sprintf("%d deliveries lost, %d twice, %d out of order, %d sockets with another order", r.Lost, r.Duplicated, r.OutOfOrder, r.OtherOrder)
	if r.Unanswered > 0 {
		text += fmt.Sprintf(", %d sends never answered", r.Unanswered)
	}
	if r.Strayed > 0 {
		text += fmt.Sprintf(", %d deliveries to another room", r.Strayed)
	}
	return errors.New(text)
}

// Write prints the result for people.
func (r *Result) Write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "sockets\t%d in %d rooms\n", r.Sockets, r.Rooms)
	fmt.Fprintf(w, "messages\t%d sent, %d acked, %d refused, %d given up\n", r.Sent, r.Acked, r.Refused, r.GivenUp)
	if r.RefusedWhy != "" {
		fmt.Fprintf(w, "refused\tfor instance: %s\n", r.RefusedWhy)
	}
	fmt.Fprintf(w, "deliveries\t%d: %d lost, %d twice, %d out of order, %d sockets with another order\n", r.Delivered, r.Lost, r.Duplicated, r.OutOfOrder, r.OtherOrder)
	if r.Closed > 0 {
		fmt.Fprintf(w, "closed\t%d sockets, for instance: %s\n", r.Closed, r.ClosedWhy)
	}
	fmt.Fprintf(w, "rate\t%.0f deliveries/s, %.0f acks/s, over %s\n", r.DeliveriesPerSecond, r.AcksPerSecond, seconds(r.Seconds))
	fmt.Fprintf(w, "send to ack\t%s\n", r.Ack)
	fmt.Fprintf(w, "send to delivery\t%s\n", r.Delivery)
	for _, name := range slices.Sorted(maps.Keys(r.CPU)) {
		fmt.Fprintf(w, "CPU of %s\t%.0f %% of a core\n", name, 100*r.CPU[name]/r.Seconds)
	}
	if len(r.CPU) > 0 {
		fmt.Fprintf(w, "CPU per delivery\t%.2f µs\n", r.CPUPerDelivery)
	}
	fmt.Fprintf(w, "CPU of the generator\t%.0f %% of a core\n", 100*r.GeneratorCPU/r.Seconds)
	return w.Flush()
}

func (p Percentiles) String() string {
	return fmt.Sprintf("p50 %.1f ms, p90 %.1f ms, p99 %.1f ms, longest %.1f ms", p.P50, p.P90, p.P99, p.Max)
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(10 * time.Millisecond)
}

// Write prints the result for people.
func (r *IdleResult) Write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "sockets\t%d, connected in %s (%.0f a second), %d closed since\n", r.Sockets, seconds(r.ConnectSeconds), float64(r.Sockets)/r.ConnectSeconds, r.Closed)
	fmt.Fprintf(w, "heartbeats\t%d answered in %s\n", r.Pings, seconds(r.HoldSeconds))
	if r.After > 0 {
		fmt.Fprintf(w, "memory\t%.1f KiB per socket (%d MiB before, %d MiB after)\n", r.PerSocket/1024, r.Before>>20, r.After>>20)
		fmt.Fprintf(w, "CPU\t%.0f µs per connect, %.1f %% of a core while idle\n", r.CPUPerConnect, r.IdleCPU)
	}
	fmt.Fprintf(w, "kernel\t%.1f KiB per socket, both ends if both are here\n", r.KernelPerSocket/1024)
	return w.Flush()
}

// Write prints the steps for people.
func (s *Slope) Write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "sockets\tconnect\tCPU per connect\tmemory\tkernel\tCPU while idle\theartbeats\tclosed")
	for _, r := range s.Steps {
		fmt.Fprintf(w, "%d\t%s\t%.0f µs\t%.2f KiB per socket\t%.2f KiB per socket\t%.1f %% of a core\t%d in %s\t%d\n", r.Sockets, seconds(r.ConnectSeconds), r.CPUPerConnect,
			r.PerSocket/1024, r.KernelPerSocket/1024, r.IdleCPU, r.Pings, seconds(r.HoldSeconds), r.Closed)
	}
	if len(s.Steps) > 1 {
		fmt.Fprintf(w, "\nslope\t%.2f KiB per socket, straight within %.1f %%\n", s.PerSocket/1024, s.Deviation)
	}
	return w.Flush()
}
