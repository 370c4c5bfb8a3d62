package parser

// AppendKey is appendKey, for tests that need pgquery as well.
func AppendKey(dst, sql []byte) (key []byte, shares bool) { return appendKey(dst, sql) }

// Collapse is the short text of a Collapser that gets a text in parts of n bytes.
func Collapse(sql []byte, n int) (short []byte, ok bool) {
	c := newCollapser(0, collapsedMost)
	for len(sql) > 0 {
		part := sql[:min(n, len(sql))]
		c.Write(append([]byte(nil), part...))
		sql = sql[len(part):]
	}
	return c.text()
}
