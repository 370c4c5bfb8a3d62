package pgwire

// Types of the messages that a client sends. Several letters mean other things
// the other way: a switch must know its direction.
const (
	MsgBind         = 'B'
	MsgClose        = 'C'
	MsgCopyData     = 'd' // both ways
	MsgCopyDone     = 'c' // both ways
	MsgCopyFail     = 'f'
	MsgDescribe     = 'D'
	MsgExecute      = 'E'
	MsgFlush        = 'H'
	MsgFunctionCall = 'F'
	MsgParse        = 'P'
	MsgPassword     = 'p' // PasswordMessage, SASLInitialResponse, SASLResponse
	MsgQuery        = 'Q'
	MsgSync         = 'S'
	MsgTerminate    = 'X'
)

// Types of the messages that a server sends.
const (
	MsgAuthentication           = 'R'
	MsgBackendKeyData           = 'K'
	MsgBindComplete             = '2'
	MsgCloseComplete            = '3'
	MsgCommandComplete          = 'C'
	MsgCopyBothResponse         = 'W'
	MsgCopyInResponse           = 'G'
	MsgCopyOutResponse          = 'H'
	MsgDataRow                  = 'D'
	MsgEmptyQueryResponse       = 'I'
	MsgErrorResponse            = 'E'
	MsgFunctionCallResponse     = 'V'
	MsgNegotiateProtocolVersion = 'v'
	MsgNoData                   = 'n'
	MsgNoticeResponse           = 'N'
	MsgNotificationResponse     = 'A'
	MsgParameterDescription     = 't'
	MsgParameterStatus          = 'S'
	MsgParseComplete            = '1'
	MsgPortalSuspended          = 's'
	MsgReadyForQuery            = 'Z'
	MsgRowDescription           = 'T'
)

// What a ReadyForQuery says of the transaction.
const (
	TxIdle   = 'I'
	TxActive = 'T'
	TxFailed = 'E'
)

// What a Describe or Close is about.
const (
	ObjectStatement = 'S'
	ObjectPortal    = 'P'
)

// Codes of an Authentication message.
const (
	AuthOk                = 0
	AuthCleartextPassword = 3
	AuthMD5Password       = 5
	AuthSASL              = 10
	AuthSASLContinue      = 11
	AuthSASLFinal         = 12
)
