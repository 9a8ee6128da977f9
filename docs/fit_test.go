package docs_test

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// fit holds values against shapes and keeps which fields it has met.
type fit struct {
	*grammar
	met map[*field]bool
}

// complain gives what is wrong with a decoded JSON value: missing, unknown and mistyped fields, each with its place.
func (f *fit) complain(at string, v any, s *shape) []string {
	switch {
	case s.literal != "":
		if v != strings.Trim(s.literal, `"`) {
			return []string{fmt.Sprintf("%s is %v, not %s", at, v, s.literal)}
		}
	case s.either != nil:
		return f.complainOfAll(at, v, s.either)
	case s.list != nil:
		list, ok := v.([]any)
		if !ok {
			return []string{fmt.Sprintf("%s is %T, not a list", at, v)}
		}
		var out []string
		for _, x := range list {
			out = append(out, f.complain(at+"[]", x, s.list)...)
		}
		return out
	case s.record != nil:
		return []string{at + ": a record only goes to the server"}
	case s.name != "" && f.declared[s.name] != nil:
		return f.complain(at, v, f.declared[s.name])
	case s.name != "":
		return f.complainOfScalar(at, v, s.name)
	default:
		return f.complainOfObject(at, v, s)
	}
	return nil
}

// complainOfAll is for a union: the shortest complaint of its parts. Fields count as met only in the part that fits.
func (f *fit) complainOfAll(at string, v any, parts []*shape) (best []string) {
	for i, part := range parts {
		try := &fit{f.grammar, map[*field]bool{}}
		c := try.complain(at, v, part)
		if len(c) == 0 {
			return f.complain(at, v, part)
		}
		if i == 0 || len(c) < len(best) {
			best = c
		}
	}
	return best
}

func (f *fit) complainOfObject(at string, v any, s *shape) (out []string) {
	object, ok := v.(map[string]any)
	if !ok {
		return []string{fmt.Sprintf("%s is %T, not an object", at, v)}
	}
	known := map[string]bool{}
	for _, field := range f.fields(s) {
		known[field.name] = true
		value, there := object[field.name]
		switch {
		case there:
			f.met[field] = true
			out = append(out, f.complain(at+"."+field.name, value, field.is)...)
		case !field.optional:
			out = append(out, fmt.Sprintf("%s has no %s", at, field.name))
		}
	}
	for name := range object {
		if !known[name] {
			out = append(out, fmt.Sprintf("%s has %s, of which protocol.md knows nothing", at, name))
		}
	}
	return out
}

func (f *fit) complainOfScalar(at string, v any, name string) []string {
	bad := []string{fmt.Sprintf("%s is %v, no %s", at, v, name)}
	switch name {
	case "string":
		if _, ok := v.(string); !ok {
			return bad
		}
		return nil
	case "boolean":
		if _, ok := v.(bool); !ok {
			return bad
		}
		return nil
	case "true":
		if v != true {
			return bad
		}
		return nil
	}
	s := f.scalars[name]
	switch x := v.(type) {
	case string:
		size := len(x)
		if s.unit == "characters" {
			size = utf8.RuneCountInString(x)
		}
		if s.json != "string" || s.bounded && int64(size) > s.to {
			return bad
		}
	case float64:
		if s.json != "integer" || x != math.Trunc(x) || x < 0 || s.bounded && (int64(x) < s.from || int64(x) > s.to) || !plausible(name, x) {
			return bad
		}
	default:
		return bad
	}
	return nil
}

// plausible tells milliseconds since 1970 from seconds, and from a place in the log.
func plausible(name string, x float64) bool {
	switch name {
	case "Time":
		return x > 1.5e12 && x < 1e13
	case "Millis":
		return x >= 1 && x < 1e6
	}
	return true
}

// unmet gives the fields of a shape that no value had, as "Type.field".
func (f *fit) unmet(at string, s *shape, seen map[*shape]bool) (out []string) {
	if s == nil || seen[s] {
		return nil
	}
	seen[s] = true
	if s.name != "" && f.declared[s.name] != nil {
		return f.unmet(s.name, f.declared[s.name], seen)
	}
	for _, part := range append(s.either[:len(s.either):len(s.either)], s.list) {
		out = append(out, f.unmet(at, part, seen)...)
	}
	for _, field := range s.object {
		if !strings.HasPrefix(field.name, "extends ") && !f.met[field] {
			out = append(out, at+"."+field.name)
		}
		out = append(out, f.unmet(at+"."+strings.TrimPrefix(field.name, "extends "), field.is, seen)...)
	}
	return out
}
