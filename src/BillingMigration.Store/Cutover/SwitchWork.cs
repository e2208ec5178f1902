using System.Collections.Immutable;
using System.Globalization;
using BillingMigration.Control;
using BillingMigration.Source;

namespace BillingMigration.Store.Cutover;

/// <summary>What both directions of a switch share: the lease, the record, the steps with their times, and the time that calls may wait.</summary>
internal sealed class SwitchWork(MigrationSession session, SwitchOptions options, Lease lease, SwitchRecord record, IProgress<SwitchProgress> progress)
{
    private readonly long started = session.Time.GetTimestamp();
    private readonly List<SwitchStep> steps = [];
    private long? stalledAt;

    public MigrationSession Session => session;

    public SwitchOptions Options => options;

    public Lease Lease => lease;

    public SwitchRecord Record { get; private set; } = record;

    /// <summary>The step under way, or the last one.</summary>
    public string Step { get; private set; } = "Begin";

    /// <summary>How long calls waited.</summary>
    public TimeSpan? Stall { get; private set; }

    public TimeSpan Elapsed => session.Time.GetElapsedTime(started);

    public ImmutableArray<SwitchStep> Steps => [.. steps];

    public ImmutableArray<string> Warnings { get; private set; } = [];

    /// <summary>The longest of what is left of the stall.</summary>
    public CancellationTokenSource BeginStall()
    {
        stalledAt = session.Time.GetTimestamp();
        return new CancellationTokenSource(options.MaxStall, session.Time);
    }

    /// <summary>The source stands still there.</summary>
    public void Fenced(SourcePosition position) => Record = Record with { FencePosition = position };

    public void EndStall() => Stall = stalledAt is { } at ? session.Time.GetElapsedTime(at) : null;

    public async Task<T> StepAsync<T>(string name, Func<Task<T>> step)
    {
        Step = name;
        Report();
        var (began, at) = (session.Time.GetTimestamp(), session.Time.GetUtcNow());
        var result = await step();
        lock (steps)
        {
            steps.Add(new SwitchStep(name, at, session.Time.GetElapsedTime(began)));
        }

        return result;
    }

    public Task StepAsync(string name, Func<Task> step) => StepAsync(name, async () =>
    {
        await step();
        return true;
    });

    /// <summary>Changes the route. Its lease stays: applications may act on the former route for that long.</summary>
    public Task<Route> MoveAsync(Route from, RouteState state, CancellationToken cancellationToken) => MoveAsync(from, state, from.Lease, cancellationToken);

    /// <summary>Sends calls to the other side. Nobody acts on a former route any more: only here the lease may become another.</summary>
    public Task<Route> FlipAsync(Route from, RouteState state, CancellationToken cancellationToken) => MoveAsync(from, state, options.RouteLease ?? from.Lease, cancellationToken);

    private async Task<Route> MoveAsync(Route from, RouteState state, TimeSpan length, CancellationToken cancellationToken)
    {
        var to = from.To(state, Record.Actor, Record.Reason, session.Time.GetUtcNow()) with { Lease = length };
        await session.Control.ChangeRouteAsync(lease, to, cancellationToken);
        return to;
    }

    /// <summary>Waits until nothing of the route before is begun or lands: at once when each application that writes has said so, else until its lease has run out.</summary>
    /// <param name="draining">The route that lets calls wait.</param>
    /// <param name="most">From when on it is certain without a word.</param>
    /// <param name="cancellationToken">Nothing is certain.</param>
    public async Task WaitAsync(Route draining, TimeSpan most, CancellationToken cancellationToken)
    {
        var (all, silent) = await StepAsync("Wait", () => new DrainWait(session, lease).WaitAsync(draining.Epoch, most, cancellationToken));
        // A fence needs only their leases, which are over in a moment.
        if (!silent.IsEmpty && most > draining.Lease)
        {
            Warnings = Warnings.Add(string.Create(
                CultureInfo.InvariantCulture,
                $"{silent.Length} of {all} applications that write did not say that their calls wait ({string.Join(", ", silent.Take(3).Select(r => r.Holder))}{(silent.Length > 3 ? ", …" : "")}), so {most.TotalSeconds:0.0} s were waited, after which they cannot write. They have ended without closing their store, stand still, or do not reach the control table."));
        }
    }

    public Task TellAsync(Route route, CancellationToken cancellationToken) => options.OnState?.Invoke(route, cancellationToken) ?? Task.CompletedTask;

    /// <summary>Tells of a state that stays, whatever whoever is told makes of it.</summary>
    public async Task TellOfLastingAsync(Route route, CancellationToken cancellationToken)
    {
        try
        {
            await TellAsync(route, cancellationToken);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            Warnings = Warnings.Add($"The route is {route.State}, and -OnState failed when it was told so: {e.Message}");
        }
    }

    public Task SaveAsync(Func<SwitchRecord, SwitchRecord> change, CancellationToken cancellationToken)
    {
        Record = change(Record) with { Steps = Steps, Stall = Stall };
        return session.Control.SaveSwitchAsync(lease, Record, cancellationToken);
    }

    public void Report() => progress.Report(new SwitchProgress(Step, Elapsed, Stall ?? (stalledAt is { } at ? session.Time.GetElapsedTime(at) : null)));
}
