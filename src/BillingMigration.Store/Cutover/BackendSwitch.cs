using System.Collections.Immutable;
using BillingMigration.Control;
using BillingMigration.Source;
using BillingMigration.Store.Cutover;

namespace BillingMigration.Store;

/// <summary>
/// Switches applications from the source to the table, and back. Whatever happens to it: run again it finishes what was begun, or undoes it. One at a time, by a lease.
/// </summary>
public sealed class BackendSwitch(MigrationSession session, SwitchOptions options)
{
    private static readonly TimeSpan BackOutTime = TimeSpan.FromSeconds(30);

    public MigrationSession Session { get; } = session;

    public SwitchOptions Options { get; } = options;

    private StoreBackend Backend => Options.To == RouteState.DynamoDb ? StoreBackend.DynamoDb : StoreBackend.MySql;

    /// <summary>What <see cref="RunAsync"/> would do now; changes nothing.</summary>
    public Task<SwitchPlan> PlanAsync(CancellationToken cancellationToken) => SourceErrors.NameBrokenAsync(Session.Source.Source, () => PlanOnceAsync(cancellationToken), cancellationToken);

    private async Task<SwitchPlan> PlanOnceAsync(CancellationToken cancellationToken)
    {
        CheckForce();
        var route = await Session.Control.FindRouteAsync(cancellationToken);
        var moves = Moves(route);
        return new SwitchPlan
        {
            Route = route,
            To = Options.To,
            Gates = await LookAsync(route, cancellationToken),
            Steps = Planning.Steps(route, Options, moves),
        };
    }

    /// <summary>Switches.</summary>
    /// <exception cref="OperationCanceledException">Cancelled: before the flip it has backed out, after it the same command finishes it.</exception>
    /// <exception cref="MigrationException">
    /// <c>SwitchGateClosed</c>; <c>StallLimitReached</c>: calls go on where they were; <c>SwitchBrokenOff</c>: run it again. Any trouble of either side.
    /// </exception>
    public Task<SwitchResult> RunAsync(IProgress<SwitchProgress> progress, CancellationToken cancellationToken) =>
        SourceErrors.NameBrokenAsync(Session.Source.Source, () => RunOnceAsync(progress, cancellationToken), cancellationToken);

    private async Task<SwitchResult> RunOnceAsync(IProgress<SwitchProgress> progress, CancellationToken cancellationToken)
    {
        CheckForce();
        await using var lease = await Session.Control.AcquireLeaseAsync(Jobs.Switch, cancellationToken);
        using var abort = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lease.Lost);
        var route = await Session.Control.FindRouteAsync(abort.Token);
        var last = await Session.Control.FindSwitchAsync(abort.Token);
        var unfinished = last is { Outcome: null } ? last : null;
        // What was begun goes on with the fence that it was begun with, and so does the way back.
        var (kind, accounts) = last is not null && (unfinished is not null || Backend == StoreBackend.MySql) ? (last.Fence, last.Accounts) : (Options.Fence, Options.FenceAccounts);
        await using var fence = new Fence(Session, lease, kind, accounts);
        await fence.CheckAccountsAsync(abort.Token);
        var work = new SwitchWork(Session, Options, lease, NewRecord(kind, accounts), progress);
        var from = route.State;
        if (!Moves(route))
        {
            if (Options.To == RouteState.Shadow && route.State == RouteState.MySql)
            {
                var passed = await RequireOpenAsync(work, route, abort.Token);
                await work.SaveAsync(r => r with { Forced = passed }, abort.Token);
            }

            route = await StayAsync(work, fence, route, unfinished, abort.Token);
        }
        else
        {
            var closed = route.Accepts ? await RequireOpenAsync(work, route, abort.Token) : [];
            var proves = !closed.Contains("Integrity");
            await work.SaveAsync(r => r with { Forced = closed }, abort.Token);
            route = Backend == StoreBackend.DynamoDb ? await ForwardAsync(work, fence, route, proves, abort.Token) : await BackAsync(work, fence, route, proves, abort.Token);
            if (Options.To == RouteState.Shadow)
            {
                route = await work.MoveAsync(route, RouteState.Shadow, abort.Token);
                await work.TellAsync(route, abort.Token);
            }
        }

        return new SwitchResult
        {
            Migration = Session.Definition.Name,
            Outcome = route.State == from ? SwitchOutcome.AlreadyThere : SwitchOutcome.Switched,
            From = from,
            Route = route,
            Stall = work.Stall,
            Duration = work.Elapsed,
            Steps = work.Steps,
            Forced = work.Record.Forced,
            Warnings = work.Warnings,
        };
    }

    /// <summary>The gates of what the switch would change now.</summary>
    private async Task<ImmutableArray<SwitchGate>> LookAsync(Route route, CancellationToken cancellationToken)
    {
        var gates = new SwitchGates(Session, Options);
        return Moves(route) ? await gates.LookAsync(route, Backend, cancellationToken)
            : Options.To == RouteState.Shadow && route.State == RouteState.MySql ? await gates.LookForShadowAsync(cancellationToken)
            : [];
    }

    /// <returns>Names of the gates that are closed and passed over.</returns>
    private async Task<ImmutableArray<string>> RequireOpenAsync(SwitchWork work, Route route, CancellationToken cancellationToken)
    {
        var gates = await work.StepAsync("Gates", () => LookAsync(route, cancellationToken));
        var closed = gates.Where(g => !g.IsOpen).ToArray();
        if (closed.FirstOrDefault(g => !g.CanForce && Options.Force.Contains(g.Name, StringComparer.OrdinalIgnoreCase)) is { } needed)
        {
            throw SwitchErrors.CannotForce(needed.Name);
        }

        if (closed.Where(g => !Options.Force.Contains(g.Name, StringComparer.OrdinalIgnoreCase)).ToArray() is { Length: > 0 } left)
        {
            throw SwitchErrors.GatesClosed(left);
        }

        return [.. closed.Select(g => g.Name)];
    }

    /// <summary>True when the backend that has everything changes; false when it is only the state, or undoes a switch that has not come so far.</summary>
    private bool Moves(Route route) => route.Backend != Backend;

    private SwitchRecord NewRecord(SourceFence kind, ImmutableArray<string> accounts)
    {
        var now = Session.Time.GetUtcNow();
        return new SwitchRecord
        {
            Id = Guid.NewGuid().ToString("N")[..6],
            To = Backend,
            Fence = kind,
            Accounts = accounts,
            Actor = $"{LeaseHolder.Current.User} on {LeaseHolder.Current.Machine}",
            Reason = Options.Reason,
            StartedAt = now,
        };
    }

    private void CheckForce()
    {
        foreach (var name in Options.Force.Where(f => !SwitchGates.Names.Contains(f, StringComparer.OrdinalIgnoreCase)))
        {
            throw SwitchErrors.NoSuchGate(name, SwitchGates.Names);
        }
    }

    /// <summary>The backend is where it is to be: ends what a switch has left there, and sets the state.</summary>
    private async Task<Route> StayAsync(SwitchWork work, Fence fence, Route route, SwitchRecord? unfinished, CancellationToken cancellationToken)
    {
        if (unfinished is not null || !route.Accepts)
        {
            await fence.TakeAsync(cancellationToken);
            if (Backend == StoreBackend.MySql)
            {
                await work.StepAsync("Unfence", () => fence.OpenAsync(cancellationToken));
            }
            else
            {
                await work.StepAsync("OpenWayBack", () => fence.OpenForReverseAsync(cancellationToken));
            }
        }

        if (route.State == Options.To)
        {
            return unfinished is null ? route : await EndAsync(work, unfinished, route, cancellationToken);
        }

        if (!route.Next.Contains(Options.To) && route.Next.Contains(RouteState.MySql))
        {
            route = await work.MoveAsync(route, RouteState.MySql, cancellationToken);
        }

        if (route.State != Options.To)
        {
            route = route.Next.Contains(Options.To) ? await work.MoveAsync(route, Options.To, cancellationToken) : throw SwitchErrors.Nowhere(route, Options.To);
        }

        await work.TellOfLastingAsync(route, cancellationToken);
        return await EndAsync(work, unfinished ?? work.Record, route, cancellationToken);
    }

    private static async Task<Route> EndAsync(SwitchWork work, SwitchRecord record, Route route, CancellationToken cancellationToken)
    {
        var outcome = route.Backend == record.To ? SwitchRecord.Switched : SwitchRecord.BackedOut;
        await work.SaveAsync(_ => record with { Outcome = outcome }, cancellationToken);
        return route;
    }

    private async Task<Route> ForwardAsync(SwitchWork work, Fence fence, Route route, bool proves, CancellationToken cancellationToken)
    {
        await using var forward = new ForwardSwitch(work, fence, proves);
        await forward.PrepareAsync(cancellationToken);
        if (route.State == RouteState.MySql)
        {
            route = await work.MoveAsync(route, RouteState.Shadow, cancellationToken);
            await work.TellAsync(route, cancellationToken);
        }

        await work.StepAsync("Shadow", () => ReadyWait.WaitAsync(Session, route, cancellationToken));
        await forward.BeginWayBackAsync(cancellationToken);

        route = await DrainAsync(work, fence, route, RouteState.DynamoDb, forward.DrainAsync, cancellationToken);
        await forward.FinishAsync(cancellationToken);
        return await EndAsync(work, work.Record, route, cancellationToken);
    }

    private async Task<Route> BackAsync(SwitchWork work, Fence fence, Route route, bool proves, CancellationToken cancellationToken)
    {
        await using var back = new BackSwitch(work, fence, proves);
        await back.PrepareAsync(cancellationToken);
        route = await DrainAsync(work, fence, route, RouteState.MySql, back.DrainAsync, cancellationToken);
        await back.FinishAsync(cancellationToken);
        return await EndAsync(work, work.Record, route, cancellationToken);
    }

    /// <summary>Lets calls wait, drains, and sends them to the other side; or, when that fails or takes too long, to where they were.</summary>
    private async Task<Route> DrainAsync(SwitchWork work, Fence fence, Route before, RouteState to, Func<Route, CancellationToken, Task> drain, CancellationToken cancellationToken)
    {
        using var stall = work.BeginStall();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, stall.Token);
        try
        {
            var route = before.Accepts ? await work.MoveAsync(before, RouteState.Draining, limit.Token) : before;
            await work.TellAsync(route, limit.Token);
            await SourceErrors.NameBrokenAsync(Session.Source.Source, () => drain(route, limit.Token), limit.Token);
            route = await work.StepAsync("Flip", () => work.FlipAsync(route, to, limit.Token));
            work.EndStall();
            await work.TellOfLastingAsync(route, cancellationToken);
            return route;
        }
        catch (Exception e) when (e is not MigrationException { ErrorId: "LeaseLost" })
        {
            var step = work.Step;
            if (await BackOutAsync(work, fence, before, to, step, e) is { } route)
            {
                // The answer to the flip got lost.
                return route;
            }

            if (cancellationToken.IsCancellationRequested)
            {
                throw;
            }

            throw stall.IsCancellationRequested ? SwitchErrors.StallLimit(Options.MaxStall, step, e) : SwitchErrors.BackedOut(step, e);
        }
    }

    /// <summary>Calls go on where they were.</summary>
    /// <returns>The route, when it turns out that the flip was made; else null.</returns>
    private async Task<Route?> BackOutAsync(SwitchWork work, Fence fence, Route before, RouteState to, string step, Exception cause)
    {
        using var limit = new CancellationTokenSource(BackOutTime, Session.Time);
        try
        {
            var route = await Session.Control.FindRouteAsync(limit.Token);
            if (route.State == to)
            {
                work.EndStall();
                await work.TellOfLastingAsync(route, limit.Token);
                return route;
            }

            if (before.Backend == StoreBackend.MySql)
            {
                await fence.OpenAsync(limit.Token);
            }

            if (route.State == RouteState.Draining)
            {
                route = await work.MoveAsync(route, before.Backend == StoreBackend.MySql ? RouteState.MySql : RouteState.DynamoDb, limit.Token);
            }

            if (before.State == RouteState.Shadow && route.State == RouteState.MySql)
            {
                route = await work.MoveAsync(route, RouteState.Shadow, limit.Token);
            }

            work.EndStall();
            await work.SaveAsync(r => r with { Outcome = SwitchRecord.BackedOut }, limit.Token);
            await work.TellOfLastingAsync(route, limit.Token);
            return null;
        }
        catch (Exception e) when (e is not MigrationException { ErrorId: "LeaseLost" })
        {
            throw SwitchErrors.Left(step, cause);
        }
    }
}
