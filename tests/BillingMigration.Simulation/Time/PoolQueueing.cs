using System.Diagnostics.Tracing;

namespace BillingMigration.Simulation;

/// <summary>
/// Tells when a thread gives work to the .NET thread pool: the runtime writes an event for it, and a listener is called on the thread
/// itself. So a simulation knows that nothing of its own went to the pool, however busy others keep it.
/// </summary>
internal sealed class PoolQueueing : EventListener
{
    private const string Source = "System.Diagnostics.Eventing.FrameworkEventSource";
    private const EventKeywords ThreadPoolWork = (EventKeywords)2;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    [ThreadStatic]
    private static long queued;

    private static readonly PoolQueueing Listener = new();

    private PoolQueueing()
    {
    }

    /// <summary>Whether this runtime writes the events.</summary>
    public static bool IsSeen { get; } = Try();

    /// <summary>How much work the present thread has given to the pool.</summary>
    public static long Queued => queued;

    protected override void OnEventSourceCreated(EventSource eventSource)
    {
        if (eventSource.Name == Source)
        {
            EnableEvents(eventSource, EventLevel.Verbose, ThreadPoolWork);
        }
    }

    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        // ThreadPoolEnqueueWork
        if (eventData.EventId == 30)
        {
            queued++;
            PoolWork.NoteQueued();
        }
    }

    private static bool Try()
    {
        GC.KeepAlive(Listener);

        // The pool looks whether anyone listens when one of its threads begins to work: the second work is told if the first has run.
        for (var i = 0; i < 2; i++)
        {
            using var ran = new ManualResetEventSlim();
            ThreadPool.UnsafeQueueUserWorkItem(static r => r.Set(), ran, preferLocal: false);
            if (!ran.Wait(Patience))
            {
                return false;
            }
        }

        var before = queued;
        ThreadPool.UnsafeQueueUserWorkItem(static _ => { }, 0, preferLocal: false);
        return queued == before + 1;
    }
}
