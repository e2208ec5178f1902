using System.Collections.Immutable;

namespace BillingMigration.Control;

/// <summary>Which side applications work on.</summary>
public enum StoreBackend
{
    MySql,

    DynamoDb,
}

public enum RouteState
{
    /// <summary>Applications read and write the source.</summary>
    MySql,

    /// <summary>As <see cref="MySql"/>; reads are made on the table as well, and compared.</summary>
    Shadow,

    /// <summary>Calls wait: the one side accepts none any more, the other not yet.</summary>
    Draining,

    /// <summary>Applications read and write the table.</summary>
    DynamoDb,
}

/// <summary>Where the calls of applications go. It changes by one conditional write of the control table, and each change has the next epoch.</summary>
public sealed record Route
{
    /// <summary>Before the first change.</summary>
    public static Route First { get; } = new() { State = RouteState.MySql, Backend = StoreBackend.MySql, Epoch = 0, Actor = "", Reason = "", At = DateTimeOffset.UnixEpoch };

    public required RouteState State { get; init; }

    /// <summary>The side that accepts calls; while draining, the side that did.</summary>
    public required StoreBackend Backend { get; init; }

    /// <summary>1 for the first change.</summary>
    public required long Epoch { get; init; }

    /// <summary>How long an application may act on it, from the moment before it asked. 100 ms to a minute.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Who made the change: user and machine.</summary>
    public required string Actor { get; init; }

    public required string Reason { get; init; }

    public required DateTimeOffset At { get; init; }

    /// <summary>True when calls are accepted.</summary>
    public bool Accepts => State != RouteState.Draining;

    /// <summary>For jobs that make the table what the source is.</summary>
    /// <exception cref="MigrationException"><c>ApplicationsSwitched</c>: the source does not lead.</exception>
    internal void RequireSource(string doing)
    {
        if (State is RouteState.Draining or RouteState.DynamoDb)
        {
            throw new MigrationException(
                "ApplicationsSwitched", MigrationErrorKind.WrongState,
                $"{doing} would undo what applications write: their route is {State} on {Backend}, and the source does not lead. "
                + (Accepts ? "Run Sync-BillingChanges -Direction Reverse to write the table's changes back, or Switch-BillingBackend -To MySql to go back." : "A switch is under way, or was broken off: look at Get-BillingMigration."),
                State);
        }
    }

    /// <summary>States that may follow this one.</summary>
    public ImmutableArray<RouteState> Next => State switch
    {
        RouteState.MySql => [RouteState.Shadow, RouteState.Draining],
        RouteState.Shadow => [RouteState.MySql, RouteState.Draining],
        RouteState.Draining => [RouteState.MySql, RouteState.DynamoDb],
        _ => [RouteState.Draining],
    };

    /// <summary>The route after a change to <paramref name="state"/>.</summary>
    /// <exception cref="MigrationException"><c>RouteChangeInvalid</c>: that state does not follow this one.</exception>
    public Route To(RouteState state, string actor, string reason, DateTimeOffset at) => Next.Contains(state)
        ? this with
        {
            State = state,
            Backend = state switch { RouteState.Draining => Backend, RouteState.DynamoDb => StoreBackend.DynamoDb, _ => StoreBackend.MySql },
            Epoch = Epoch + 1,
            Actor = actor,
            Reason = reason,
            At = at,
        }
        : throw new MigrationException(
            "RouteChangeInvalid", MigrationErrorKind.WrongState, $"The applications' route is {State}, and {state} cannot follow that; {string.Join(" or ", Next)} can.", state);
}
