package backend

import "crypto/sha256"

// Prepared is what one server connection has prepared under names of ours, least recently used last. The caller owns
// the meaning of an id; it stands for one text with its parameter types. Not safe for concurrent use.
type Prepared struct {
	max  int
	byID map[uint64]*prepared
	root prepared  // ring: root.next is the most recently used
	free *prepared // the last one removed, reused so that a steady exchange allocates nothing
}

type prepared struct {
	id         uint64
	copy       Copy
	prev, next *prepared
}

// Copy is one statement as a server connection has it. Mark and Shape are the caller's to note.
type Copy struct {
	Name  string
	Mark  uint64 // such as the age of the schema it was prepared under
	Shape *Shape // nil while it is not known
}

// Shape is what a server says of a statement when it is described: what a plan that is made anew must still fit
// (RevalidateCachedQuery in PostgreSQL's plancache.c). Shapes are not changed.
type Shape struct {
	Params  string // type oids of the parameters, four bytes each
	Columns [sha256.Size]byte
}

// NewPrepared returns an empty set bounded to max statements, at least one.
func NewPrepared(maximum int) *Prepared {
	p := &Prepared{max: max(maximum, 1)}
	p.root.prev, p.root.next = &p.root, &p.root
	return p
}

// Name returns the name of id on the server and marks it as just used.
func (p *Prepared) Name(id uint64) (string, bool) {
	if c := p.Copy(id); c != nil {
		return c.Name, true
	}
	return "", false
}

// Copy returns what is prepared for id, nil if there is nothing, and marks it as just used. It is valid until the next
// statement is added or removed.
func (p *Prepared) Copy(id uint64) *Copy {
	e := p.byID[id]
	if e == nil {
		return nil
	}
	if p.root.next != e {
		e.unlink()
		p.pushFront(e)
	}
	return &e.copy
}

// Add records that id is prepared as name. If the set was full, the name of the least recently used one comes back:
// Close it on the server ahead of the new Parse.
func (p *Prepared) Add(id uint64, name string) (evicted string, full bool) {
	if e := p.byID[id]; e != nil {
		e.copy = Copy{Name: name}
		return "", false
	}
	if p.byID == nil {
		p.byID = make(map[uint64]*prepared)
	}
	if len(p.byID) >= p.max {
		evicted, full = p.Evict()
	}
	e := p.free
	if e == nil {
		e = &prepared{}
	}
	p.free = nil
	e.id, e.copy = id, Copy{Name: name}
	p.byID[id] = e
	p.pushFront(e)
	return evicted, full
}

// Evict forgets the least recently used statement and returns its name, to be closed on the server.
func (p *Prepared) Evict() (name string, ok bool) {
	e := p.root.prev
	if e == &p.root {
		return "", false
	}
	name = e.copy.Name
	p.remove(e)
	return name, true
}

// Forget drops id: its Parse failed, or it was closed.
func (p *Prepared) Forget(id uint64) {
	if e := p.byID[id]; e != nil {
		p.remove(e)
	}
}

// Clear forgets everything, as DEALLOCATE ALL and DISCARD ALL do on the server.
func (p *Prepared) Clear() {
	clear(p.byID)
	p.root.prev, p.root.next = &p.root, &p.root
}

// Len is the number of statements.
func (p *Prepared) Len() int { return len(p.byID) }

func (p *Prepared) remove(e *prepared) {
	delete(p.byID, e.id)
	e.unlink()
	e.copy = Copy{}
	p.free = e
}

func (e *prepared) unlink() {
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
}

func (p *Prepared) pushFront(e *prepared) {
	e.prev, e.next = &p.root, p.root.next
	e.prev.next, e.next.prev = e, e
}
