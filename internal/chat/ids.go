package chat

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
)

// Seq is a record's place in the log and, with that, its number in its room: generation<<43 | offset. It rises strictly within a
// room, is not dense, and fits the 53 bits of a JavaScript number. 0 lies before the first record of any log.
type Seq int64

// OffsetBits is how many bits of a Seq hold the offset; the 10 bits above hold the generation.
const OffsetBits = 43

// MaxGeneration is the highest generation a log may have.
const MaxGeneration = 1<<10 - 1

// MakeSeq builds a Seq from a log's generation (1 or more) and an offset in its partition (0 or more).
func MakeSeq(generation int, offset int64) Seq {
	return Seq(int64(generation)<<OffsetBits | offset)
}

// Generation gives the generation of the log in which s lies.
func (s Seq) Generation() int { return int(s >> OffsetBits) }

// Offset gives the offset of s within its generation.
func (s Seq) Offset() int64 { return int64(s) & (1<<OffsetBits - 1) }

// RoomID names a room. A room made by a user is hash(user, clientId); the lobby has a fixed one.
type RoomID string

// UserID names an identity, given by the host application's token or made for a guest.
type UserID string

// MessageID names a record for ever, see MakeMessageID. All copies of one request share it.
type MessageID string

// LobbyID is the public room that exists from the first start.
const LobbyID RoomID = "lobby"

// SystemUser is the owner of the lobby. No token can name it.
const SystemUser UserID = "~system"

// MakeMessageID derives the id of whatever u asks for in room under clientID: 22 URL-safe characters of hash(room, user, clientId). If
// clientID is a UUIDv7 its time stands in front, so that what is young lies together in a store's index of ids; 88 bits of the hash follow.
func MakeMessageID(room RoomID, u UserID, clientID string) MessageID {
	sum := digest([]string{"record", string(room), string(u), clientID})
	t, ok := UUIDv7Time(clientID)
	if !ok {
		return MessageID(base64.RawURLEncoding.EncodeToString(sum[:16]))
	}
	var id [22]byte
	for i, at := 0, t.UnixMilli(); i < 7; i++ { // 42 bits of milliseconds, enough until 2109; then they begin again
		id[i] = ascending[at>>(6*(6-i))&63]
	}
	base64.RawURLEncoding.Encode(id[7:], sum[:11])
	return MessageID(id[:])
}

// ascending are the characters of base64url in the order of their bytes.
const ascending = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"

// MakeRoomID derives the id of the room that u creates under clientID.
func MakeRoomID(u UserID, clientID string) RoomID {
	return RoomID(hashID("room", string(u), clientID))
}

// ContentSum is the hash by which a retry is told from another request under the same client id.
func ContentSum(parts ...string) uint64 {
	sum := digest(parts)
	return binary.BigEndian.Uint64(sum[:8])
}

// PartitionOf is our own partitioner: a room keeps its partition for as long as the log keeps its count.
func PartitionOf(room RoomID, partitions int) int {
	if partitions <= 1 {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(room))
	return int(h.Sum64() % uint64(partitions))
}

// hashID gives 22 URL-safe characters, 128 bits, of the parts.
func hashID(parts ...string) string {
	sum := digest(parts)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// digest hashes parts, each behind its length, so that no two lists of parts run together.
func digest(parts []string) [sha256.Size]byte {
	total := 0
	for _, p := range parts {
		total += 8 + len(p)
	}
	if total > digestAtOnce {
		return digestLong(parts)
	}
	var room [digestAtOnce]byte // on the stack: a message has several digests
	all := room[:0]
	for _, p := range parts {
		all = append(binary.BigEndian.AppendUint64(all, uint64(len(p))), p...)
	}
	return sha256.Sum256(all)
}

// digestAtOnce is up to how many bytes are put together for a digest.
const digestAtOnce = 512

// digestLong is digest for what is long, a part of it at a time.
func digestLong(parts []string) (out [sha256.Size]byte) {
	h, buf := sha256.New(), make([]byte, digestAtOnce)
	for _, p := range parts {
		binary.BigEndian.PutUint64(buf, uint64(len(p)))
		h.Write(buf[:8])
		for p != "" {
			n := copy(buf, p)
			h.Write(buf[:n])
			p = p[n:]
		}
	}
	h.Sum(out[:0])
	return out
}
