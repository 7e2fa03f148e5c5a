package cli

import "github.com/aep-retrigger/aep-retrigger/internal/plaintext"

// plain makes a text fit for a terminal, as one line.
func plain(text string) string { return plaintext.Line(text) }

// plainJSON does the same for JSON, whose texts keep their meaning.
func plainJSON(encoded []byte) []byte { return plaintext.JSON(encoded) }
