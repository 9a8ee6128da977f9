// Package web holds the browser client as files inside the binary: the page that Vite built, and the official Socket.IO client
// bundles that third-party pages may load. Both come from `make web`; without it the package compiles all the same and says so.
package web

import (
	"embed"
	"io/fs"
	"strings"
)

// built is web/dist: its README is tracked, so that a bare clone compiles; web/dist/app is what `make web` writes.
//
//go:embed all:dist
var built embed.FS

// App gives the built page, index.html at its root. It is false when the page was not built: then a server answers with the
// sentence "run make web".
func App() (fs.FS, bool) {
	return sub("dist/app", "index.html")
}

// ClientBundle gives the official client's files as they came from npm (socket.io.js, socket.io.min.js, socket.io.esm.min.js,
// socket.io.msgpack.min.js and their source maps) and their version. It is false when the page was not built.
func ClientBundle() (files fs.FS, version string, ok bool) {
	return bundle(built)
}

func bundle(from fs.FS) (fs.FS, string, bool) {
	const dir = "dist/app/client"
	raw, err := fs.ReadFile(from, dir+"/VERSION")
	if err != nil {
		return nil, "", false
	}
	version := strings.TrimSpace(string(raw))
	files, ok := subOf(from, dir, "socket.io.js")
	return files, version, ok && version != ""
}

func sub(dir, proof string) (fs.FS, bool) { return subOf(built, dir, proof) }

// subOf gives a directory if the named file is in it.
func subOf(from fs.FS, dir, proof string) (fs.FS, bool) {
	if info, err := fs.Stat(from, dir+"/"+proof); err != nil || info.IsDir() {
		return nil, false
	}
	files, err := fs.Sub(from, dir)
	return files, err == nil
}
