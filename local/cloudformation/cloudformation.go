// Package cloudformation works out what a CloudFormation template says for given parameters:
// which resources there are, and what their properties are. It knows the intrinsic functions
// that template.yaml uses, and makes nothing.
package cloudformation

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"strings"
)

// Template is a template in JSON, as SAM's transform prints it.
type Template struct {
	Parameters map[string]Parameter
	Conditions map[string]any
	Resources  map[string]Resource
	Outputs    map[string]Output
	Metadata   map[string]any
}

// Parameter is one of a template.
type Parameter struct {
	Type, Default, Description, AllowedPattern, ConstraintDescription string
	AllowedValues                                                     []any
	MinValue, MaxValue                                                *float64
	MaxLength                                                         *int
}

// UnmarshalJSON takes a default of any scalar type.
func (p *Parameter) UnmarshalJSON(text []byte) error {
	type plain Parameter
	read := struct {
		*plain
		Default any
	}{plain: (*plain)(p)}
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	if read.Default != nil {
		p.Default = fmt.Sprint(read.Default)
	}
	return nil
}

// Resource is one of a template.
type Resource struct {
	Type, Condition, DeletionPolicy, UpdateReplacePolicy string
	Properties, Metadata                                 map[string]any
}

// Output is one of a template.
type Output struct {
	Condition string
	Value     any
}

// Read reads a template in JSON from a file.
func Read(path string) (Template, error) {
	var t Template
	text, err := os.ReadFile(path)
	if err != nil {
		return t, err
	}
	return t, json.Unmarshal(text, &t)
}

// Stack is a template with its parameters. What CloudFormation alone knows is replaced: the
// reference to a resource is its explicit name, or else ref(Name), an attribute is
// get(Name.Attribute).
type Stack struct {
	template   Template
	parameters map[string]string
	pseudo     map[string]string
	// References are the resources that the resolved values have referred to.
	References map[string]bool
}

// noValue takes the place of AWS::NoValue until the property is left out.
type noValue struct{}

// New returns the stack of the given name with the template's defaults and, over them, the
// given parameters. One that the template does not have panics: a test has it wrong.
func New(t Template, name string, parameters map[string]string) *Stack {
	const region, account = "us-east-1", "123456789012"
	all := map[string]string{}
	for key, p := range t.Parameters {
		all[key] = p.Default
	}
	for key := range parameters {
		if _, ok := t.Parameters[key]; !ok {
			panic("the template has no parameter " + key)
		}
	}
	maps.Copy(all, parameters)
	return &Stack{template: t, parameters: all, References: map[string]bool{}, pseudo: map[string]string{
		"AWS::StackName": name, "AWS::Region": region, "AWS::AccountId": account, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com",
		"AWS::StackId": "arn:aws:cloudformation:" + region + ":" + account + ":stack/" + name + "/12345678-90ab-cdef-1234-567890abcdef",
	}}
}

// Resources are those that the stack has, with their properties worked out.
func (s *Stack) Resources() map[string]Resource {
	all := map[string]Resource{}
	for name, r := range s.template.Resources {
		if r.Condition != "" && !s.condition(r.Condition) {
			continue
		}
		r.Properties, _ = s.value(r.Properties).(map[string]any)
		r.Metadata, _ = s.value(r.Metadata).(map[string]any)
		all[name] = r
	}
	return all
}

// Outputs are those that the stack has.
func (s *Stack) Outputs() map[string]any {
	all := map[string]any{}
	for name, o := range s.template.Outputs {
		if o.Condition == "" || s.condition(o.Condition) {
			all[name] = s.value(o.Value)
		}
	}
	return all
}

// Met reports whether a condition of the template is met.
func (s *Stack) Met(name string) bool { return s.condition(name) }

func (s *Stack) condition(name string) bool {
	body, ok := s.template.Conditions[name]
	if !ok {
		panic("the template has no condition " + name)
	}
	met, _ := s.value(body).(bool)
	return met
}

// value works out a value and all that it has.
func (s *Stack) value(v any) any {
	switch v := v.(type) {
	case []any:
		list := []any{}
		for _, one := range v {
			if one = s.value(one); one != (noValue{}) {
				list = append(list, one)
			}
		}
		return list
	case map[string]any:
		if len(v) == 1 {
			for name, argument := range v {
				if name == "Ref" || name == "Condition" && isText(argument) || strings.HasPrefix(name, "Fn::") {
					return s.call(name, argument)
				}
			}
		}
		object := map[string]any{}
		for key, one := range v {
			if one = s.value(one); one != (noValue{}) {
				object[key] = one
			}
		}
		return object
	}
	return v
}

func isText(v any) bool {
	_, is := v.(string)
	return is
}

// call works out an intrinsic function.
func (s *Stack) call(name string, argument any) any {
	list, _ := argument.([]any)
	switch name {
	case "Ref":
		return s.ref(fmt.Sprint(argument))
	case "Condition":
		return s.condition(fmt.Sprint(argument))
	case "Fn::If":
		if s.condition(fmt.Sprint(list[0])) {
			return s.value(list[1])
		}
		return s.value(list[2])
	case "Fn::GetAtt":
		s.References[fmt.Sprint(list[0])] = true
		return fmt.Sprintf("get(%s.%s)", list[0], list[1])
	case "Fn::Sub":
		return s.sub(argument)
	case "Fn::Equals":
		return fmt.Sprint(s.value(list[0])) == fmt.Sprint(s.value(list[1]))
	case "Fn::Not":
		return s.value(list[0]) != true
	case "Fn::And", "Fn::Or":
		for _, one := range list {
			if (s.value(one) == true) == (name == "Fn::Or") {
				return name == "Fn::Or"
			}
		}
		return name == "Fn::And"
	}
	return s.texts(name, list)
}

// texts works out an intrinsic function that makes a text of a list, or a list of a text.
func (s *Stack) texts(name string, list []any) any {
	switch name {
	case "Fn::Join":
		var parts []string
		values, _ := s.value(list[1]).([]any)
		for _, one := range values {
			parts = append(parts, fmt.Sprint(one))
		}
		return strings.Join(parts, fmt.Sprint(list[0]))
	case "Fn::Split":
		var parts []any
		for one := range strings.SplitSeq(fmt.Sprint(s.value(list[1])), fmt.Sprint(list[0])) {
			parts = append(parts, one)
		}
		return parts
	case "Fn::Select":
		values, _ := s.value(list[1]).([]any)
		at, _ := list[0].(float64)
		return values[int(at)]
	}
	panic("unknown function " + name)
}

// ref works out what a name refers to.
func (s *Stack) ref(name string) any {
	if name == "AWS::NoValue" {
		return noValue{}
	}
	if value, ok := s.pseudo[name]; ok {
		return value
	}
	if value, ok := s.parameters[name]; ok {
		if s.template.Parameters[name].Type == "CommaDelimitedList" {
			return s.texts("Fn::Split", []any{",", value})
		}
		return value
	}
	r, ok := s.template.Resources[name]
	if !ok {
		panic("the template has no " + name + ", to which something refers")
	}
	s.References[name] = true
	for _, key := range []string{"LogGroupName", "Name", "DashboardName", "AlarmName", "TableName"} {
		if explicit, ok := r.Properties[key]; ok {
			return s.value(explicit)
		}
	}
	return "ref(" + name + ")"
}

// sub replaces each ${Name} of a text.
func (s *Stack) sub(argument any) any {
	text, own := fmt.Sprint(argument), map[string]any{}
	if list, ok := argument.([]any); ok {
		text = fmt.Sprint(list[0])
		own, _ = s.value(list[1]).(map[string]any)
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		text = after
		resource, attribute, hasAttribute := strings.Cut(name, ".")
		switch value, is := own[name]; {
		case is:
			fmt.Fprint(&b, value)
		case hasAttribute:
			fmt.Fprint(&b, s.call("Fn::GetAtt", []any{resource, attribute}))
		default:
			fmt.Fprint(&b, s.ref(name))
		}
	}
}
