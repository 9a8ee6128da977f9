package httpd

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// late is an empty body that a busy machine does not come to read at once.
type late struct{ nothing }

func (late) Read([]byte) (int, error) {
	time.Sleep(time.Minute) // the bubble's
	return 0, io.EOF
}

// net/http announces a body that it has not seen the end of within 200 ms, and a node refuses a poll with a body.
func TestAPollHasNoBodyHoweverBusyTheMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		req, err := http.NewRequest(http.MethodGet, "http://node/socket.io/", nil)
		if err != nil {
			t.Fatal(err)
		}
		once(req).Body = late{}
		var sent bytes.Buffer
		if err := req.Write(&sent); err != nil {
			t.Fatal(err)
		}
		got, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(sent.Bytes())))
		if err != nil || got.ContentLength != 0 || len(got.TransferEncoding) > 0 || got.Close || !bytes.HasSuffix(sent.Bytes(), []byte("\r\n\r\n")) {
			t.Errorf("%v: sent %q", err, sent.String())
		}
	})
}
