package cluster

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCallersDuringAQuestionShareTheNext(t *testing.T) {
	r := newRounds()
	first := r.join()
	require.Same(t, first, r.join())
	inFlight := r.take()
	require.Same(t, first, inFlight)
	require.Equal(t, 2, inFlight.callers)

	late := r.join()
	require.NotSame(t, first, late, "its question was sent before this caller came")
	inFlight.finish(Position{1, 5}, nil)
	<-first.done
	require.Equal(t, Position{1, 5}, first.position)
	select {
	case <-late.done:
		t.Fatal("answered by a question asked too early")
	default:
	}
	require.Same(t, late, r.take())
	require.Nil(t, r.take())
}

func TestStoppedRoundsFail(t *testing.T) {
	r := newRounds()
	waiting := r.join()
	r.stop()
	<-waiting.done
	require.ErrorIs(t, waiting.err, errStopped)
	late := r.join()
	<-late.done
	require.ErrorIs(t, late.err, errStopped)
}

func TestBroadcastReachesThoseWhoCameBefore(t *testing.T) {
	var b broadcast
	b.send()
	before := b.next()
	b.send()
	<-before
	select {
	case <-b.next():
		t.Fatal("a new listener heard an old message")
	default:
	}
}
