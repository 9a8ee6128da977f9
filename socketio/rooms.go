package socketio

// The registry of a namespace: which socket is in which room. Lock order: Namespace.mu before Socket.mu.

// add makes a connected socket a member of the namespace and of the rooms it joined meanwhile.
func (n *Namespace) add(s *Socket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s.isEnded() { // then remove has been here, or will come when we are done
		return
	}
	s.member = true
	n.sockets[s.id] = s
	for room := range s.rooms {
		n.enter(s, room)
	}
}

// remove takes the socket out of everything.
func (n *Namespace) remove(s *Socket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s.member {
		s.member = false
		delete(n.sockets, s.id)
		for room := range s.rooms {
			n.quit(s, room)
		}
	}
	s.rooms = nil
}

func (n *Namespace) join(s *Socket, rooms []string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s.isEnded() {
		return nil
	}
	fresh := make(map[string]struct{}, len(rooms))
	for _, room := range rooms {
		if _, in := s.rooms[room]; !in && room != s.id {
			fresh[room] = struct{}{}
		}
	}
	if len(s.rooms)+len(fresh) > n.srv.opt.MaxRooms {
		return ErrTooManyRooms
	}
	if s.rooms == nil {
		s.rooms = fresh
	}
	for room := range fresh {
		s.rooms[room] = struct{}{}
		if s.member {
			n.enter(s, room)
		}
	}
	return nil
}

func (n *Namespace) leave(s *Socket, rooms []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, room := range rooms {
		if _, in := s.rooms[room]; in {
			delete(s.rooms, room)
			if s.member {
				n.quit(s, room)
			}
		}
	}
}

func (n *Namespace) enter(s *Socket, room string) {
	members := n.rooms[room]
	if members == nil {
		members = make(map[*Socket]struct{})
		n.rooms[room] = members
	}
	members[s] = struct{}{}
}

func (n *Namespace) quit(s *Socket, room string) {
	members := n.rooms[room]
	if delete(members, s); len(members) == 0 {
		delete(n.rooms, room)
	}
}

func (n *Namespace) roomsOf(s *Socket) []string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if s.isEnded() {
		return nil
	}
	rooms := make([]string, 1, 1+len(s.rooms))
	rooms[0] = s.id
	for room := range s.rooms {
		rooms = append(rooms, room)
	}
	return rooms
}

// has tells whether s is in room, with n.mu held.
func (n *Namespace) has(s *Socket, room string) bool {
	_, in := s.rooms[room]
	return in || room == s.id
}
