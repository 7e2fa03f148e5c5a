package main

import (
	"errors"
	"os"
	"slices"
	"strings"
)

// templateDefaults returns the variables of the function as template.yaml sets them where
// nobody gives a parameter, "NAME=value". Those that name resources and hosts are left out.
func templateDefaults(path string) (env []string, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	defaults := map[string]string{}
	section, parameter := "", ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch indent := len(line) - len(strings.TrimLeft(line, " ")); {
		case indent == 0:
			section = key
		case section == "Parameters" && indent == 2:
			parameter = key
		case section == "Parameters" && indent == 4 && key == "Default":
			defaults[parameter] = value
		case section == "Resources" || section == "Globals":
			reference, is := strings.CutPrefix(value, "!Ref ")
			if is && key == strings.ToUpper(key) && defaults[reference] != "" && !slices.Contains([]string{"FLOW_SERVICE_URL", "IMS_URL"}, key) {
				env = append(env, key+"="+defaults[reference])
			}
		}
	}
	if len(env) == 0 {
		return nil, errors.New(path + " sets no variable to the default of a parameter")
	}
	return env, nil
}
