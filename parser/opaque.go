package parser

// OpaqueText stands in Facts.Normalized for a text that could not be parsed.
const OpaqueText = "<opaque>"

// The reasons why a text is opaque.
const (
	ReasonSyntax   = "syntax"   // the grammar does not know it
	ReasonTooLong  = "too long" // above Config.MaxTextBytes
	ReasonTooDeep  = "too deep" // nested so deeply that a recursive parser is not safe
	ReasonNUL      = "nul"
	ReasonEscapes  = "escapes"  // a backslash where it means different things to us and to the session
	ReasonInternal = "internal" // a mistake of ours, counted so that somebody looks
	ReasonEncoding = "encoding" // bytes that may hide quotes or backslashes in the client's encoding
)

// opaques are shared, so that texts that cannot be parsed cost no memory.
var opaques = func() map[string]*Facts {
	m := make(map[string]*Facts)
	for _, r := range []string{ReasonSyntax, ReasonTooLong, ReasonTooDeep, ReasonNUL, ReasonEscapes, ReasonInternal, ReasonEncoding} {
		m[r] = newOpaque(r, nil)
	}
	return m
}()

func newOpaque(reason string, hints *Hints) *Facts {
	return &Facts{Normalized: OpaqueText, Statements: []Statement{{Kind: Opaque}}, Hints: hints, Reason: reason}
}

// OpaqueFacts returns the facts of a text that is not understood for that reason. What its comments ask for still counts.
func OpaqueFacts(sql []byte, reason string) *Facts {
	hints := FindHints(sql)
	if f := opaques[reason]; f != nil && hints == nil {
		return f
	}
	return newOpaque(reason, hints)
}

// OpaqueError is what an Analyzer returns for a text that it does not understand.
type OpaqueError struct {
	Reason string // one of the Reason constants
	Err    error  // what the grammar said; it may quote the text, so it is not for logs; may be nil
}

func (e *OpaqueError) Error() string { return "the statement is opaque: " + e.Reason }

func (e *OpaqueError) Unwrap() error { return e.Err }
