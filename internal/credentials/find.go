package credentials

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// find is a value that stands for a part of a credential.
type find struct {
	part  part
	name  string // as it stands in the secret
	value *node
	owner *node // the object that it stands in
	// documented tells that it has our own spelling.
	documented bool
	// serverToServer tells that it stands in a credential which Adobe's console calls
	// OAuth server-to-server.
	serverToServer bool
}

// label names the field in an error. Only names that were understood get here, so it
// shows no value that a person pasted into a name.
func (f find) label() string { return fmt.Sprintf("field %q", f.name) }

// empty reports whether the field has nothing in it.
func (f find) empty() bool {
	switch f.value.shape {
	case isText:
		return trim(f.value.text) == ""
	case isList:
		return !slices.ContainsFunc(f.value.items, func(n *node) bool { return n.shape != isText || trim(n.text) != "" })
	case isObject:
		return len(f.value.fields) == 0
	default:
		return f.value.shape == isOther && f.value.text == null
	}
}

// findings are the fields of a secret that may belong to its credential.
type findings struct {
	finds []find
	// parents has the object around each object.
	parents map[*node]*node
	// strange are the names that were not understood, where a value stands beside them.
	strange []strange
	// jwt tells that there is a part of a JWT credential.
	jwt bool
}

// strange is a name that was not understood.
type strange struct {
	name  string
	owner *node
}

// search looks for the parts of a credential in the whole document. It returns the
// object at its top, too, or nil if there is none.
func search(document *node) (*findings, *node) {
	f := &findings{parents: map[*node]*node{}}
	top := document
	if pairs := asObject(document); pairs != nil {
		top = pairs
	} else if document.shape == isList && len(document.items) == 1 {
		top = document.items[0]
	}
	switch {
	case top.shape == isObject:
		f.object(top, "", false)
	case top.shape == isList && slices.ContainsFunc(top.items, func(n *node) bool { return n.shape == isObject }):
		top = &node{shape: isObject, fields: []field{{"", top}}}
		f.object(top, "", false)
	default:
		return f, nil
	}
	return f, top
}

// object looks into an object that stands under a name.
func (f *findings) object(n *node, name string, serverToServer bool) {
	kind, typed := n.member("integrationtype")
	if typed && kind.shape == isText {
		kind := plain(kind.text)
		if !strings.Contains(kind, "servertoserver") { // an API key or a web app, for example
			f.jwt = f.jwt || kind == "service" || strings.Contains(kind, "jwt")
			return
		}
		serverToServer = true
	}
	for _, member := range n.fields {
		f.member(n, name, member, serverToServer)
	}
}

// member looks at one field of an object.
func (f *findings) member(owner *node, ownerName string, member field, serverToServer bool) {
	value := expand(member.value)
	if f.otherKind(member.name, value) {
		return
	}
	p, understood := understand(member.name)
	name := member.name
	if !understood && ownerName != "" { // {"org": {"id": …}} is the same as {"orgid": …}
		if p, understood = understand(ownerName + member.name); understood {
			owner, name = f.parents[owner], ownerName+"."+member.name
		}
	}
	switch {
	case value.shape == isObject && (!understood || hasParts(value)):
		f.parents[value] = owner
		f.object(value, member.name, serverToServer || strings.Contains(plain(member.name), "servertoserver"))
	case understood:
		f.finds = append(f.finds, find{p, name, value, owner, member.name == p.String(), serverToServer})
	case value.shape == isList:
		f.list(owner, member.name, value, serverToServer)
		f.strange = append(f.strange, strange{member.name, owner})
	case value.shape == isText && trim(value.text) != "":
		f.strange = append(f.strange, strange{member.name, owner})
	}
}

// list looks into a list: of credentials, of contexts, or of names with values.
func (f *findings) list(owner *node, name string, list *node, serverToServer bool) {
	if pairs := asObject(list); pairs != nil {
		f.parents[pairs] = owner
		f.object(pairs, "", serverToServer)
		return
	}
	for _, item := range list.items {
		if item = expand(item); item.shape == isObject {
			f.parents[item] = owner
			f.object(item, name, serverToServer)
		}
	}
}

// otherKind reports whether a field belongs to a credential of another kind than OAuth
// server-to-server, and takes note of JWT.
func (f *findings) otherKind(name string, value *node) bool {
	jwt := []string{
		"jwt", "jwtauth", "jwttoken", "jwtpayload", "serviceaccount", "metascope", "metascopes",
		"privatekey", "privatekeypath", "pathtokey", "pathtoprivatekey",
	}
	other := []string{"apikey", "adobeid", "oauthweb", "oauthwebapp", "oauthnative", "oauthnativeapp", "oauthspa", "oauthsinglepageapp"}
	for short := range variants(name) {
		if slices.Contains(jwt, short) {
			f.jwt = f.jwt || !find{value: value}.empty()
			return value.shape == isObject
		}
		if slices.Contains(other, short) {
			return value.shape == isObject
		}
	}
	return false
}

// chain returns an object and the objects around it, the innermost first.
func (f *findings) chain(n *node) []*node {
	var all []*node
	for ; n != nil; n = f.parents[n] {
		all = append(all, n)
	}
	return all
}

// of returns the finds of a part that are not empty.
func (f *findings) of(p part) []find {
	var all []find
	for _, found := range f.finds {
		if found.part == p && !found.empty() {
			all = append(all, found)
		}
	}
	return all
}

// member returns the value of a field by its plain name.
func (n *node) member(plainName string) (*node, bool) {
	for _, f := range n.fields {
		if plain(f.name) == plainName {
			return f.value, true
		}
	}
	return nil, false
}

// hasParts reports whether an object under a name that we know holds parts of a
// credential: "org" may be one's name, or the console's object around "ims_org_id".
func hasParts(n *node) bool {
	return slices.ContainsFunc(n.fields, func(f field) bool {
		_, understood := understand(f.name)
		return understood || slices.Contains([]string{"id", "name", "key"}, plain(f.name))
	})
}

// expand reads a text that holds an object or a list as JSON.
func expand(n *node) *node {
	if n.shape != isText || !mayBeJSON(n.text) {
		return n
	}
	if inner, err := readDocument(n.text); err == nil && (inner.shape == isObject || inner.shape == isList) {
		return inner
	}
	return n
}

// asObject reads a list of names with values as an object, and returns nil for any
// other value. Postman keeps an environment so: {"key": "API_KEY", "value": "…",
// "enabled": true}. A disabled variable is left out.
func asObject(n *node) *node {
	if n.shape != isList || len(n.items) == 0 {
		return nil
	}
	pairs := &node{shape: isObject}
	for _, item := range n.items {
		name, named := item.member("key")
		if !named {
			name, named = item.member("name")
		}
		value, valued := item.member("value")
		if !named || !valued || name.shape != isText {
			return nil
		}
		if !item.isFlag("enabled", false) && !item.isFlag("disabled", true) {
			pairs.fields = append(pairs.fields, field{name.text, value})
		}
	}
	return pairs
}

// isFlag reports whether a field is there with this truth value.
func (n *node) isFlag(plainName string, value bool) bool {
	flag, ok := n.member(plainName)
	return ok && flag.shape == isOther && flag.text == strconv.FormatBool(value)
}
