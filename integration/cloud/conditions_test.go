//go:build cloud

package cloud

import (
	"encoding/json"
	"fmt"
	"strings"
)

// noValue is what stands for nothing.
const noValue = "AWS::NoValue"

// conditions evaluates the template's conditions with the parameters of a stack, and the
// defaults of the others.
func (t templateFile) conditions(parameters map[string]string) map[string]bool {
	e := evaluator{t, parameters}
	all := map[string]bool{}
	for name, condition := range t.Conditions {
		all[name] = e.is(condition)
	}
	return all
}

type evaluator struct {
	of         templateFile
	parameters map[string]string
}

// is evaluates a condition: those functions that the template uses. Another one fails the
// run, so that none is overlooked.
func (e evaluator) is(condition any) bool {
	name, argument := function(condition)
	list, _ := argument.([]any)
	switch name {
	case "Condition":
		return e.is(e.of.Conditions[fmt.Sprint(argument)])
	case "Fn::Equals":
		return e.text(list[0]) == e.text(list[1])
	case "Fn::Not":
		return !e.is(list[0])
	case "Fn::And", "Fn::Or":
		for _, part := range list {
			if e.is(part) == (name == "Fn::Or") {
				return name == "Fn::Or"
			}
		}
		return name == "Fn::And"
	}
	panic(fmt.Sprintf("this test does not know the condition %v", condition))
}

func (e evaluator) text(value any) string {
	name, argument := function(value)
	list, _ := argument.([]any)
	switch name {
	case "Ref":
		parameter := fmt.Sprint(argument)
		if given, is := e.parameters[parameter]; is {
			return given
		}
		return fmt.Sprint(e.of.Parameters[parameter].Default)
	case "Fn::Join": // of a list that is one parameter, with nothing between
		return e.text(list[1])
	case "":
		return fmt.Sprint(value)
	}
	panic(fmt.Sprintf("this test does not know the value %v", value))
}

// function takes a call of an intrinsic function apart. The name is empty for anything else.
func function(part any) (name string, argument any) {
	object, is := part.(map[string]any)
	if !is || len(object) != 1 {
		return "", nil
	}
	for name, argument = range object {
		if name == "Ref" || name == "Condition" || strings.HasPrefix(name, "Fn::") {
			return name, argument
		}
	}
	return "", nil
}

// choose returns a part of the template with each Fn::If replaced by what it chooses, and
// with nothing where it chooses AWS::NoValue. With lists alone it does so only for those
// elements of lists that come to nothing, and leaves the others to CloudFormation.
func choose(part any, conditions map[string]bool, listsAlone bool) any {
	switch part := part.(type) {
	case []any:
		rest := []any{}
		for _, element := range part {
			if chosen := chosen(element, conditions); isNothing(chosen) {
				continue
			} else if !listsAlone {
				element = chosen
			}
			rest = append(rest, choose(element, conditions, listsAlone))
		}
		return rest
	case map[string]any:
		rest := map[string]any{}
		for key, value := range part {
			if key != "Fn::If" && !listsAlone {
				if value = chosen(value, conditions); isNothing(value) {
					continue
				}
			}
			if key == "Fn::If" { // its list has three elements, whatever they are
				rest[key] = value
				continue
			}
			rest[key] = choose(value, conditions, listsAlone)
		}
		return rest
	}
	return part
}

// chosen is what a Fn::If chooses, and anything else itself.
func chosen(part any, conditions map[string]bool) any {
	name, argument := function(part)
	list, _ := argument.([]any)
	if name != "Fn::If" {
		return part
	}
	if conditions[fmt.Sprint(list[0])] {
		return chosen(list[1], conditions)
	}
	return chosen(list[2], conditions)
}

func isNothing(part any) bool {
	name, argument := function(part)
	return name == "Ref" && argument == noValue
}

// chosenFor returns the template with [choose] for a stack's parameters.
func (t templateFile) chosenFor(parameters map[string]string, listsAlone bool) (templateFile, error) {
	conditions := t.conditions(parameters)
	resources := map[string]resource{}
	for name, r := range t.Resources {
		var properties any
		text, err := json.Marshal(r.Properties)
		if err != nil {
			return t, err
		}
		if err := json.Unmarshal(text, &properties); err != nil {
			return t, err
		}
		if text, err = json.Marshal(choose(properties, conditions, listsAlone)); err != nil {
			return t, err
		}
		r.Properties = nil
		if err := json.Unmarshal(text, &r.Properties); err != nil {
			return t, err
		}
		resources[name] = r
	}
	t.Resources = resources
	return t, nil
}
