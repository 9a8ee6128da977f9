package socketio

import (
	"io/fs"
	"log/slog"
	"time"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
	"github.com/hubbub-chat/hubbub/socketio/packet"
)

// Options of a Server. The zero value of each field means its default.
type Options struct {
	// Engine are the options of the transport below.
	Engine engineio.Options

	// ConnectTimeout is the time a client has to join a first namespace before it is closed, and the deadline of the context that
	// middleware gets. 45 s.
	ConnectTimeout time.Duration

	// ClientBundle holds the client's files, served beside the path of the protocol: socket.io.js, socket.io.min.js,
	// socket.io.esm.min.js, socket.io.msgpack.min.js and their .map files. Read once, by New. nil: none are served.
	ClientBundle fs.FS
	// BundleVersion is the ETag of those files. Empty: they are sent without one.
	BundleVersion string

	MaxAttachments int // binary attachments of one event, both ways; 10, which is also the official clients' limit
	MaxDepth       int // levels of arrays and objects in what a client sends; 64
	MaxAuth        int // bytes of the payload of a CONNECT, which is kept with the socket; 64 KiB
	MaxEvent       int // bytes of an event with all its attachments, and of the queue behind middleware; 4 × Engine.MaxPayload
	MaxPending     int // packets in the queue behind middleware; when it is full, reading waits; 1,024
	MaxRooms       int // rooms of one socket; 1,024
	MaxAcks        int // answers awaited from one socket; 1,024
}

func (o Options) withDefaults() Options {
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = 45 * time.Second
	}
	if o.Engine.MaxPayload <= 0 {
		o.Engine.MaxPayload = 1_000_000
	}
	if o.Engine.PingTimeout <= 0 {
		o.Engine.PingTimeout = 20 * time.Second
	}
	if o.Engine.Logger == nil {
		o.Engine.Logger = slog.New(slog.DiscardHandler)
	}
	setInt(&o.MaxAttachments, 10)
	setInt(&o.MaxDepth, 64)
	setInt(&o.MaxAuth, 64<<10)
	setInt(&o.MaxEvent, 4*o.Engine.MaxPayload)
	setInt(&o.MaxPending, 1024)
	setInt(&o.MaxRooms, 1024)
	setInt(&o.MaxAcks, 1024)
	return o
}

func (o Options) limits() packet.SocketLimits {
	return packet.SocketLimits{Attachments: o.MaxAttachments, Depth: o.MaxDepth}
}

func setInt(n *int, def int) {
	if *n <= 0 {
		*n = def
	}
}
