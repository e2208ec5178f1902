using System.Collections.Immutable;
using BillingMigration.Control;

namespace BillingMigration.Store.Cutover;

/// <summary>The steps of a switch in words, for those who want to see them before.</summary>
internal static class Planning
{
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(100);

    public static ImmutableArray<PlannedSwitchStep> Steps(Route route, SwitchOptions options, bool moves)
    {
        if (!moves)
        {
            return route.State == options.To ? [] : [new PlannedSwitchStep("Route", $"the applications' route becomes {options.To}; their backend stays {route.Backend}.", Moment)];
        }

        return options.To == RouteState.DynamoDb ? [.. Forward(route, options)] : [.. Back(route, options)];
    }

    private static IEnumerable<PlannedSwitchStep> Forward(Route route, SwitchOptions options)
    {
        yield return new("CatchUp", "the changes of the source are followed until the table has all of them.", null);
        yield return new("Compare", "what changed since the last comparison is compared.", null);
        yield return new("Shadow", "applications open the table; each that writes says when it has.", route.Lease * 2);
        yield return new("BeginWayBack", "the place in the table's stream is noted, from which changes are written back.", Moment);
        yield return new("Draining", $"calls wait from here on, {options.MaxStall.TotalSeconds:0.#} s at most.", Moment);
        yield return new("Wait", "every application that writes says that its calls wait, which takes a moment; else what it knows of the route expires.", options.Fence == SourceFence.None ? RouteTimes.UntilNothingLands(route) : RouteTimes.UntilNobodyBegins(route));
        yield return new("Fence", options.Fence switch
        {
            SourceFence.ReadOnly => "the source becomes read-only (super_read_only, or read_only on MariaDB).",
            SourceFence.AccountLock => $"the accounts {string.Join(", ", options.FenceAccounts)} are locked, and their connections ended.",
            _ => "nothing keeps others from writing to the source.",
        }, Moment);
        yield return new("Sync", "the last changes are written into the table.", null);
        yield return new("Prove", "what changed since the last comparison is compared again.", null);
        yield return new("Indexes", "the table's indexes are asked until they show what was written last.", null);
        yield return new("Keys", "generated keys go on above those of the source.", Moment);
        yield return new("Flip", "calls go on, on the table.", Moment);
        yield return new("WriteBack", "the source may be written by the way back only, which is tried.", null);
    }

    private static IEnumerable<PlannedSwitchStep> Back(Route route, SwitchOptions options)
    {
        yield return new("CatchUp", "the table's stream is written back until the source has all of it.", null);
        yield return new("Compare", "what changed since the last comparison is compared.", null);
        yield return new("Draining", $"calls wait from here on, {options.MaxStall.TotalSeconds:0.#} s at most.", Moment);
        yield return new("Wait", "every application that writes says that all it has sent is answered, which takes a moment; else that is over for certain.", RouteTimes.UntilNothingLands(route));
        yield return new("LargeUnits", "deletions and bill runs that are half done are finished.", null);
        yield return new("WriteBack", "the end of the stream is written back.", null);
        yield return new("Keys", "generated keys of the source go on above those of the table.", Moment);
        yield return new("Position", "the stream of changes goes on from where the source stands.", Moment);
        yield return new("Prove", "what changed since the last comparison is compared again.", null);
        yield return new("Flip", "calls go on, on the source.", Moment);
        yield return new("Unfence", "the source takes writes again.", Moment);
    }
}
