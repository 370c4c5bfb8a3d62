// Package router decides where a request may run: its class, primary or replica, and why. It does no I/O and keeps no
// session: Route is a function of its input, the configuration and what was measured per fingerprint.
package router
