//go:build cloud

package cloud

import (
	"fmt"

	"github.com/aep-retrigger/aep-retrigger/local/cloudformation"
)

// shorten takes those elements out of the lists in a part of the template that come to
// nothing, since a Fn::If chooses AWS::NoValue, and leaves everything else as it is.
func shorten(part any, stack *cloudformation.Stack) any {
	switch part := part.(type) {
	case []any:
		rest := []any{}
		for _, element := range part {
			if !isNothing(element, stack) {
				rest = append(rest, shorten(element, stack))
			}
		}
		return rest
	case map[string]any:
		rest := map[string]any{}
		for key, value := range part {
			if key != "Fn::If" { // whose list has three elements, whatever they are
				value = shorten(value, stack)
			}
			rest[key] = value
		}
		return rest
	}
	return part
}

func isNothing(part any, stack *cloudformation.Stack) bool {
	object, _ := part.(map[string]any)
	if object["Ref"] == "AWS::NoValue" {
		return true
	}
	choice, is := object["Fn::If"].([]any)
	switch {
	case !is:
		return false
	case stack.Met(fmt.Sprint(choice[0])):
		return isNothing(choice[1], stack)
	}
	return isNothing(choice[2], stack)
}
