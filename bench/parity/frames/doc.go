// Package frames writes and shows protocol messages as readable text: the format of the parity scripts.
//
// A message is a verb and its arguments, messages of one write are joined by semicolons:
//
//	Parse "p" "select $1::int" ; Bind "" "p" "5" ; Execute "" ; Sync
//
// An argument is a word or a text. Texts are written as in Go and joined by +; beside quoted ones there are ~N, N letters x,
// and $N, the list $1,...,$N.
package frames
