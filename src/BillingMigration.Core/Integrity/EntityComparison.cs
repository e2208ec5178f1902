using System.Collections.Immutable;
using BillingMigration.Model;

namespace BillingMigration.Integrity;

/// <summary>Finds what differs in some entities while their changes are followed; what is on its way is found too.</summary>
internal static class EntityComparison
{
    private const int MostSuspects = 100_000;
    private const int RowsPerRange = 100_000;

    /// <returns>The suspects, and whether these are all.</returns>
    public static async Task<(IReadOnlyCollection<Suspect> Suspects, bool AreAll)> RunAsync(
        MigrationSession session, BillingModel model, ImmutableArray<EntityModel> entities, CancellationToken cancellationToken)
    {
        ImmutableArray<int> chosen = [.. entities.Select(e => model.Entities.IndexOf(e))];
        var source = new SourceSide(session, model.Entities, null);
        using var target = new TargetSide(session, model.Entities, null);
        await using var lookup = new SourceLookup(session, model.Entities);
        var suspects = new SuspectList(MostSuspects);
        var ranges = await Comparison.PlanAsync(session, model.Entities, chosen, RowsPerRange, cancellationToken);
        var segments = TargetSide.SegmentsFor(model.Entities.Sum(m => m.Table.EstimatedRows));
        var comparison = new Comparison(model.Entities, chosen, source, target, lookup, suspects);
        var ledger = new DigestLedger(new DigestPair(model.Entities));
        await comparison.DigestAsync(ledger, ranges, Enumerable.Range(0, segments), segments, CancellationToken.None, cancellationToken);
        await comparison.NameAsync(ledger.Digests, ranges, segments, strangers: false, cancellationToken);
        return (suspects.All, !suspects.HasMore);
    }
}
