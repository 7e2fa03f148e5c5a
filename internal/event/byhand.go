package event

import "encoding/json"

// byHand reads {"runId":…}, {"requests":[…]}, {"sweep":{…}}, {"pause":{…}} and
// {"resume":{…}}.
func (d *decoder) byHand(o object, a around) (bool, *Error) {
	if fault := o.repeated(); fault != nil {
		return false, fault
	}
	if len(o.members) > 1 {
		for _, name := range commands()[1:] {
			if o.has(name) {
				return false, faultf(Unreadable, "%q must stand alone, without other fields", name)
			}
		}
	}
	switch command := o.members[0]; command.name {
	case "sweep":
		sweep, fault := decodeSweep(command.value)
		if fault == nil {
			d.sweep, d.controls = sweep, d.controls+1
		}
		return true, fault
	case "pause", "resume":
		if a.depth > 0 {
			return false, faultf(NotDirect, "a %s is taken from the payload of a direct invocation alone, so that only those who may invoke the function can stop it: invoke it with {%q:{}}", command.name, command.name)
		}
		pauseCommand, fault := decodePauseCommand(command.name, command.value)
		if fault == nil {
			d.pauseCommand, d.controls = pauseCommand, d.controls+1
		}
		return true, fault
	case "requests":
		return true, d.requests(command.value, a)
	default:
		request, fault := decodeRequest(o.raw)
		if fault != nil {
			return false, fault
		}
		return true, d.add(Item{Request: request, Raw: o.raw})
	}
}

// requests reads a list of requests by hand.
func (d *decoder) requests(value json.RawMessage, a around) *Error {
	list, fault := elements(value)
	if fault != nil || list == nil {
		return wrongType("requests", "a list of requests", value)
	}
	if len(list) == 0 {
		return faultf(Unreadable, "\"requests\" is an empty list")
	}
	for _, element := range list {
		request, fault := decodeRequest(element)
		item := Item{Request: request, Err: fault.byHand(a), Raw: element}
		if fault != nil { // alone, the element may read as something that is no request
			item.Raw = json.RawMessage(`{"requests":[` + string(element) + `]}`)
		}
		if fault := d.add(item); fault != nil {
			return fault
		}
	}
	return nil
}
