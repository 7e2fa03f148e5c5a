package main

import (
	"net/http"
	"net/url"
	"regexp"
	"sync"
)

// tokenIn finds the continuation token in an answer.
var tokenIn = regexp.MustCompile(`continuationToken=([^"&\\]+)`)

// copied keeps a copy of an answer.
type copied struct {
	http.ResponseWriter
	body []byte
}

func (c *copied) Write(b []byte) (int, error) {
	c.body = append(c.body, b...)
	return c.ResponseWriter.Write(b)
}

// tokensForOneSize lets Flow Service take a continuation token only with the page size
// for which it gave it.
func tokensForOneSize(w *world) {
	var sizes sync.Map // by token
	w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		size, token := r.URL.Query().Get("limit"), r.URL.Query().Get("continuationToken")
		if known, ok := sizes.Load(token); ok && known != size {
			refuseToken(answer)
			return
		}
		c := &copied{ResponseWriter: answer}
		w.Adobe.ServeHTTP(c, r)
		if found := tokenIn.FindSubmatch(c.body); found != nil && listsRuns(r) {
			next, _ := url.PathUnescape(string(found[1]))
			sizes.Store(next, size)
		}
	})
}
