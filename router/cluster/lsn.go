package cluster

import (
	"fmt"
	"strconv"
	"strings"
)

// LSN is a byte position in the write-ahead log.
type LSN uint64

// ParseLSN reads PostgreSQL's form, such as 16/B374D848.
func ParseLSN(text string) (LSN, error) {
	high, low, ok := strings.Cut(text, "/")
	h, errH := strconv.ParseUint(high, 16, 32)
	l, errL := strconv.ParseUint(low, 16, 32)
	if !ok || errH != nil || errL != nil {
		return 0, fmt.Errorf("%q is not a log position", text)
	}
	return LSN(h<<32 | l), nil
}

func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l)) }

// Sizes of the page headers in the log (SizeOfXLogShortPHD and SizeOfXLogLongPHD of xlog_internal.h).
const (
	shortPageHeader = 24
	longPageHeader  = 40
)

// normalize moves a position that points just behind a page header to the page's start. After a record that ends exactly
// at a page boundary the insert position is behind the next page's header, whereas replay reports the boundary: without
// this a replica that has everything would look behind until the next record. No record ends right behind a header.
func normalize(l LSN, pageSize, segmentSize uint64) LSN {
	if pageSize == 0 || segmentSize == 0 {
		return l
	}
	if uint64(l)%segmentSize == longPageHeader {
		return l - longPageHeader
	}
	if uint64(l)%pageSize == shortPageHeader && uint64(l)%segmentSize != shortPageHeader {
		return l - shortPageHeader
	}
	return l
}

// Position is a place in the history of a cluster. LSNs of different timelines do not compare.
type Position struct {
	Timeline uint32
	LSN      LSN
}

// IsZero reports whether the position requires nothing.
func (p Position) IsZero() bool { return p == Position{} }

// Covers reports whether a source at p has everything up to required.
func (p Position) Covers(required Position) bool {
	return required.IsZero() || (p.Timeline == required.Timeline && p.LSN >= required.LSN)
}

// before orders positions for choosing the most advanced node when nothing can be proved.
func (p Position) before(o Position) bool {
	return p.Timeline < o.Timeline || (p.Timeline == o.Timeline && p.LSN < o.LSN)
}

func (p Position) String() string { return fmt.Sprintf("%d:%v", p.Timeline, p.LSN) }
