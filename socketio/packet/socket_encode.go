package packet

import "strconv"

// AppendSocketHeader appends everything of a packet that stands before its JSON. The attachments are written for the binary types
// only, the namespace when it is not "/", the ack id when it is not "".
func AppendSocketHeader(dst []byte, t SocketType, attachments int, namespace, id string) []byte {
	dst = append(dst, '0'+byte(t))
	if t.Binary() {
		dst = strconv.AppendInt(dst, int64(attachments), 10)
		dst = append(dst, '-')
	}
	if namespace != "/" && namespace != "" {
		dst = append(dst, namespace...)
		dst = append(dst, ',')
	}
	return append(dst, id...)
}
