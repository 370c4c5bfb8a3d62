package parser

// AppendKey is appendKey, for tests that need pgquery as well.
func AppendKey(dst, sql []byte) (key []byte, shares bool) { return appendKey(dst, sql) }
