package backend

// Status is what a server reported by ParameterStatus, in the order of first appearance. Not safe for concurrent use.
type Status struct{ list []Parameter }

// Parameter is a name as the server spells it and its value.
type Parameter struct{ Name, Value string }

// Set records a report and says whether it is news. It copies, and allocates nothing when nothing changed.
func (s *Status) Set(name, value []byte) bool {
	for i := range s.list {
		if s.list[i].Name != string(name) {
			continue
		}
		if s.list[i].Value == string(value) {
			return false
		}
		s.list[i].Value = string(value)
		return true
	}
	s.list = append(s.list, Parameter{string(name), string(value)})
	return true
}

// Get returns the value last reported under exactly this name.
func (s *Status) Get(name string) (string, bool) {
	for i := range s.list {
		if s.list[i].Name == name {
			return s.list[i].Value, true
		}
	}
	return "", false
}

// Each calls f in order.
func (s *Status) Each(f func(name, value string)) {
	for i := range s.list {
		f(s.list[i].Name, s.list[i].Value)
	}
}

// Len is the number of parameters.
func (s *Status) Len() int { return len(s.list) }
