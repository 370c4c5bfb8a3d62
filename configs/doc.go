// Package configs has the configuration of the whole program: the rooms' own types put together, strict loading of the
// YAML file, and what a reload may change while the program runs. The files that are deployed lie next to it.
package configs
