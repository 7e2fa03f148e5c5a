//go:build cloud

package cloud

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/aep-retrigger/aep-retrigger/local/cloudformation"
)

// templateFile is a template of CloudFormation, as it is sent.
type templateFile struct {
	AWSTemplateFormatVersion string              `json:",omitempty"`
	Description              string              `json:",omitempty"`
	Parameters               map[string]any      `json:",omitempty"`
	Conditions               map[string]any      `json:",omitempty"`
	Rules                    map[string]any      `json:",omitempty"`
	Mappings                 map[string]any      `json:",omitempty"`
	Resources                map[string]resource `json:",omitempty"`
	Outputs                  map[string]any      `json:",omitempty"`
}

type resource struct {
	Type                string
	Condition           string         `json:",omitempty"`
	DependsOn           any            `json:",omitempty"`
	DeletionPolicy      string         `json:",omitempty"`
	UpdateReplacePolicy string         `json:",omitempty"`
	Properties          map[string]any `json:",omitempty"`
}

// with is the stack that the template says, for those parameters.
func (t templateFile) with(name string, parameters map[string]string) (*cloudformation.Stack, error) {
	var read cloudformation.Template
	if err := convert(t, &read); err != nil {
		return nil, err
	}
	return cloudformation.New(read, name, parameters), nil
}

// convert makes one type of another by way of JSON.
func convert(from, to any) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, to)
}

// types are those of the template's resources.
func (t templateFile) types() []string {
	var types []string
	for _, r := range t.Resources {
		types = append(types, r.Type)
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// without returns the template without the resources of some types, and without whatever
// names them. Dropped are the names of the latter: resources and outputs.
func (t templateFile) without(types []string) (rest templateFile, dropped []string, err error) {
	rest = t
	rest.Resources, rest.Outputs = map[string]resource{}, map[string]any{}
	gone := map[string]bool{}
	for name, r := range t.Resources {
		if gone[name] = slices.Contains(types, r.Type); !gone[name] {
			rest.Resources[name] = r
		}
	}
	for more := true; more; { // what names a resource that is gone goes, too, and so on
		more = false
		for name, r := range rest.Resources {
			if names, err := namesAny(r, gone); err != nil {
				return rest, nil, err
			} else if names {
				delete(rest.Resources, name)
				gone[name], more = true, true
				dropped = append(dropped, name)
			}
		}
	}
	for name, o := range t.Outputs {
		if names, err := namesAny(o, gone); err != nil {
			return rest, nil, err
		} else if names {
			dropped = append(dropped, "output "+name)
			continue
		}
		rest.Outputs[name] = o
	}
	slices.Sort(dropped)
	return rest, dropped, nil
}

// namesAny reports whether a part of the template refers to one of the resources.
func namesAny(part any, names map[string]bool) (bool, error) {
	text, err := json.Marshal(part)
	if err != nil {
		return false, err
	}
	for name, is := range names {
		if is && (strings.Contains(string(text), `{"Ref":"`+name+`"}`) || strings.Contains(string(text), `{"Fn::GetAtt":["`+name+`",`) ||
			strings.Contains(string(text), "${"+name+"}") || strings.Contains(string(text), "${"+name+".")) {
			return true, nil
		}
	}
	return false, nil
}
