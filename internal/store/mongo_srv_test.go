package store_test

import (
	"context"
	"encoding/binary"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/store"
)

// nameServer answers the SRV query for _mongodb._tcp.cluster.example.test with node.example.test and a port, and that with 127.0.0.1;
// everything else is not there. See RFC 1035 §4 and RFC 2782. It is this process's only name server until the test ends.
func nameServer(t *testing.T, port int) {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			if n > 12 {
				_, _ = c.WriteTo(nameAnswer(buf[:n], port), from) // a resolver asks again
			}
		}
	}()
	before := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = before })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", c.LocalAddr().String())
	}}
}

func nameAnswer(query []byte, port int) []byte {
	end := 12
	var labels []string
	for end < len(query) && query[end] != 0 {
		size := int(query[end])
		if end+1+size >= len(query) {
			return nil
		}
		labels = append(labels, string(query[end+1:end+1+size]))
		end += 1 + size
	}
	if end+5 > len(query) {
		return nil
	}
	end += 5 // the last label's zero, type and class
	kind := binary.BigEndian.Uint16(query[end-4:])
	var data []byte
	switch name := strings.ToLower(strings.Join(labels, ".")); {
	case kind == 33 && name == "_mongodb._tcp.cluster.example.test":
		data = binary.BigEndian.AppendUint16(make([]byte, 4), uint16(port)) // priority, weight, port
		for _, l := range []string{"node", "example", "test"} {
			data = append(append(data, byte(len(l))), l...)
		}
		data = append(data, 0)
	case kind == 1 && name == "node.example.test":
		data = []byte{127, 0, 0, 1}
	}
	out := append([]byte{}, query[:2]...)
	flags, answers := []byte{0x81, 0x83}, byte(0) // NXDOMAIN
	if data != nil {
		flags, answers = []byte{0x81, 0x80}, 1
	}
	out = append(append(out, flags...), 0, 1, 0, answers, 0, 0, 0, 0)
	out = append(out, query[12:end]...)
	if data != nil {
		out = append(out, 0xc0, 12) // the name of the question
		out = binary.BigEndian.AppendUint16(out, kind)
		out = append(out, 0, 1, 0, 0, 0, 60)
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(data))), data...)
	}
	return out
}

// TestMongoSRV: an address of one name finds its servers in DNS, and one that is not there is a sentence.
func TestMongoSRV(t *testing.T) {
	answers := storing()
	w := newWire(t, answers)
	_, text, _ := net.SplitHostPort(strings.TrimPrefix(w.addr, "mongodb://"))
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	nameServer(t, port)
	w.mu.Lock()
	for _, hello := range []string{"hello", "isMaster"} { // it knows itself by the name in DNS
		list := answers[hello]
		list[len(list)-1].Value, list[len(list)-2].Value = "node.example.test:"+text, []string{"node.example.test:" + text}
	}
	w.mu.Unlock()
	o, err := store.ParseMongo("mongodb+srv://cluster.example.test/chat?tls=false")
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.OpenMongo(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if st, err := s.State(t.Context()); err != nil || st.Log.ID != "log" || st.W[0].Seq != chat.MakeSeq(1, 0)-1 {
		t.Errorf("%+v, %v", st, err)
	}
	if got := openErr(t, "mongodb+srv://u:s3cret@nowhere.example.test/chat"); !strings.Contains(got, "has no entry in DNS") {
		t.Errorf("got %q", got)
	}
}
