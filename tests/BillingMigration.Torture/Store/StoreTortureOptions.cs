using System.Collections.Immutable;
using BillingMigration.Simulation;

namespace BillingMigration.Torture;

/// <summary>How long and how hard the store is tried on a simulated DynamoDB.</summary>
internal sealed record StoreTortureOptions
{
    public int Seed { get; init; }

    /// <summary>Calls in all.</summary>
    public int Calls { get; init; } = 400;

    /// <summary>Application processes, each with a store of its own; one of them knows a later version of the schema.</summary>
    public int Processes { get; init; } = 4;

    /// <summary>Calls of a process at the same time.</summary>
    public int Clients { get; init; } = 4;

    /// <summary>Charges that the large account has from the beginning.</summary>
    public int LargeAccount { get; init; } = 130;

    /// <summary>The item of a service agreement lies in the partition of its subscriber's account, which its own row does not say.</summary>
    public bool HasLookups => Seed % 3 == 1;

    /// <summary>Some charges have texts of up to 110,000 bytes.</summary>
    public bool HasLargeRows => Seed % 8 == 5;

    /// <summary>Processes are killed and frozen, and clocks jump.</summary>
    public bool Kills { get; init; } = true;

    /// <summary>Calls that are planned and not made, by their numbers.</summary>
    public ImmutableSortedSet<int> Skip { get; init; } = [];

    /// <summary>Troubles that do not happen, of <see cref="SimulationOptions.Troubles"/>.</summary>
    public ImmutableSortedSet<string> Without { get; init; } = [];

    public SimulationOptions Cruelty => SimulationOptions.Cruel.Without(Without);

    /// <summary>Tells each call and commit.</summary>
    public TextWriter? Trace { get; init; }

    /// <summary>The trial as arguments of <c>torture store</c>.</summary>
    public string Arguments => string.Join(' ', new[]
    {
        $"--seed {Seed} --calls {Calls} --processes {Processes} --clients {Clients} --large {LargeAccount}",
        Kills ? "" : "--calm true",
        Skip.IsEmpty ? "" : $"--skip {string.Join(',', Skip)}",
        Without.IsEmpty ? "" : $"--without {string.Join(',', Without)}",
    }.Where(a => a.Length > 0));
}

/// <summary>What came of a trial.</summary>
/// <param name="Violations">What cannot be explained; empty: nothing.</param>
/// <param name="Told">How often each outcome was told.</param>
internal sealed record StoreTortureResult(int Calls, long Requests, long Commits, IReadOnlyDictionary<string, int> Told, IReadOnlyList<string> Violations, TimeSpan Virtual);
