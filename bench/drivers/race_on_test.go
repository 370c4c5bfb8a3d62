//go:build race

package drivers_test

// buildFlags build the proxy as this test was built.
var buildFlags = []string{"-race"}
