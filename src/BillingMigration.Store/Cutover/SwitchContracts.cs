using System.Collections.Immutable;
using BillingMigration.Control;

namespace BillingMigration.Store;

public sealed record SwitchOptions
{
    /// <summary>Where applications are to work: <see cref="RouteState.MySql"/>, <see cref="RouteState.Shadow"/> or <see cref="RouteState.DynamoDb"/>.</summary>
    public required RouteState To { get; init; }

    /// <summary>Stands in the history.</summary>
    public string Reason { get; init; } = "";

    public SourceFence Fence { get; init; } = SourceFence.ReadOnly;

    /// <summary>Accounts to lock with <see cref="SourceFence.AccountLock"/>, as <c>user@host</c>.</summary>
    public ImmutableArray<string> FenceAccounts { get; init; } = [];

    /// <summary>Calls of applications wait no longer than this; then the switch backs out to where it was. At least a second.</summary>
    public TimeSpan MaxStall { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How far the changes may be behind before the switch begins.</summary>
    public TimeSpan MaxLag { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How old the last verdict over the whole table may be.</summary>
    public TimeSpan MaxVerdictAge { get; init; } = TimeSpan.FromHours(24);

    /// <summary>How long an application may act on what it last read of the route, from the flip on: before, some may know a longer one. 100 ms to a minute; null: as it is.</summary>
    public TimeSpan? RouteLease { get; init; }

    /// <summary>Closed gates to pass over, by name; audited.</summary>
    public ImmutableArray<string> Force { get; init; } = [];

    /// <summary>Called after each change of the route, while the switch waits: turns a load balancer, sets a flag. What it throws makes the switch back out, before the applications' backend has changed.</summary>
    public Func<Route, CancellationToken, Task>? OnState { get; init; }
}

/// <summary>What must hold before the applications are switched.</summary>
/// <param name="Name">One word, for <see cref="SwitchOptions.Force"/>.</param>
/// <param name="Detail">What was found, and what to do when it is closed.</param>
/// <param name="CanForce">False: without it there is nothing to switch to.</param>
public sealed record SwitchGate(string Name, bool IsOpen, string Detail, bool CanForce = true);

/// <param name="Expected">How long it takes, as far as that can be told.</param>
public sealed record PlannedSwitchStep(string Name, string What, TimeSpan? Expected);

/// <summary>What a switch would do now.</summary>
public sealed record SwitchPlan
{
    public required Route Route { get; init; }

    public required RouteState To { get; init; }

    public required ImmutableArray<SwitchGate> Gates { get; init; }

    public required ImmutableArray<PlannedSwitchStep> Steps { get; init; }

    /// <summary>True when every gate is open.</summary>
    public bool IsReady => Gates.All(g => g.IsOpen);
}

/// <summary>A moment of a switch under way.</summary>
/// <param name="Stall">How long calls have been waiting; null: they do not.</param>
public sealed record SwitchProgress(string Step, TimeSpan Elapsed, TimeSpan? Stall);

public enum SwitchOutcome
{
    Switched,

    /// <summary>Applications were there already.</summary>
    AlreadyThere,
}

public sealed record SwitchResult
{
    public required string Migration { get; init; }

    public required SwitchOutcome Outcome { get; init; }

    public required RouteState From { get; init; }

    public required Route Route { get; init; }

    /// <summary>How long calls had to wait; null: they did not.</summary>
    public TimeSpan? Stall { get; init; }

    public required TimeSpan Duration { get; init; }

    public ImmutableArray<SwitchStep> Steps { get; init; } = [];

    /// <summary>Gates that were closed and passed over.</summary>
    public ImmutableArray<string> Forced { get; init; } = [];

    /// <summary>What changed nothing of the switch: who was to be told of the new state was not; an application that writes did not say that its calls wait, and it was waited until it could not write.</summary>
    public ImmutableArray<string> Warnings { get; init; } = [];
}
