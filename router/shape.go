package router

import (
	"github.com/aioproxy/aioproxy/parser"
	"github.com/aioproxy/aioproxy/parser/catalog"
)

const manyJoins = 3

// classify guesses the class of a read from its form and the size of what it reads. names may be nil. The estimate is 0 or
// -1 for relations that were never analysed (pg_class.reltuples): then the form alone decides.
func (c *ShapeConfig) classify(s *parser.Statement, names *catalog.Resolution) Class {
	shape := &s.Shape
	rows, partitioned := 0.0, false
	if names != nil {
		rows, partitioned = names.Rows, names.Partitioned
	}
	switch {
	case shape.TextSearch:
		return Search
	case shape.Relations == 0, rows > 0 && rows < c.SmallTableRows:
		return OLTP
	case isTimeSeries(shape, partitioned):
		return TimeSeries
	case isAnalytic(shape), c.isBig(shape, rows):
		return OLAP
	}
	return OLTP
}

func isTimeSeries(s *parser.Shape, partitioned bool) bool {
	condensed := s.Aggregates || s.GroupBy || s.Window
	return (s.TimeBucket && s.GroupBy) || (partitioned && condensed && (s.TimeBucket || s.TimeRange))
}

// isAnalytic knows analytics by form alone. Many joins around one key are what an ORM does to load an object.
func isAnalytic(s *parser.Shape) bool {
	return s.GroupBy || s.Window || s.SetOperation || s.Recursive ||
		(s.Distinct && s.Joins > 0) || (s.Joins >= manyJoins && !s.Equality)
}

func (c *ShapeConfig) isBig(s *parser.Shape, rows float64) bool {
	return (s.Aggregates && !s.Equality && rows >= c.AggregateRows) ||
		(!s.Where && !s.Limit && rows >= c.ScanRows)
}
