using System.Collections.Immutable;
using System.Text;
using BillingMigration.Model;

namespace BillingMigration.Integrity;

/// <summary>What a key has on both sides.</summary>
/// <param name="Expected">The item that the source's row makes at this key; null: none.</param>
/// <param name="Actual">The item that the table has there; null: none.</param>
/// <param name="RowKey">Key that the row's item has, which may be another one; null: there is no row, or it cannot be an item.</param>
internal sealed record Examined(Suspect Suspect, byte[]? Expected, byte[]? Actual, string? RowKey, RowRefusal Refusal)
{
    public bool IsEqual => (Expected, Actual) switch
    {
        (null, null) => true,
        ({ } expected, { } actual) => expected.AsSpan().SequenceEqual(actual),
        _ => false,
    };

    public DifferenceKind Kind => Expected is null ? DifferenceKind.Extra : Actual is null ? DifferenceKind.Missing : DifferenceKind.Different;
}

/// <summary>Reads suspects again from both sides.</summary>
internal sealed class Examiner(ImmutableArray<EntityModel> models, SourceLookup source, TargetSide target)
{
    /// <summary>What the source has at the suspects' keys now; <see cref="Examined.Actual"/> is left open.</summary>
    public async Task<IReadOnlyList<Examined>> ReadRowsAsync(IReadOnlyCollection<Suspect> suspects, CancellationToken cancellationToken)
    {
        var result = new List<Examined>(suspects.Count);
        foreach (var group in suspects.GroupBy(s => s.Entity))
        {
            var known = group.Where(s => s.Row is not null).Select(s => s.Row!).ToArray();
            var rows = known.Length == 0 ? null : await source.ReadAsync(group.Key, known, cancellationToken);
            foreach (var suspect in group)
            {
                var row = suspect.Row is null ? null : rows!.GetValueOrDefault(models[suspect.Entity].Describe(suspect.Row));
                result.Add(new Examined(suspect, row?.KeyText == suspect.KeyText ? row.Item : null, null, row?.KeyText, row?.Refusal ?? default));
            }
        }

        return result;
    }

    /// <summary>The same with what the table has there now.</summary>
    public async Task<IReadOnlyList<Examined>> ReadItemsAsync(IReadOnlyCollection<Examined> examined, CancellationToken cancellationToken)
    {
        var items = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        await target.GetAsync(
            [.. examined.Select(e => (ReadOnlyMemory<byte>)e.Suspect.Key)],
            (_, batch) => items[Encoding.UTF8.GetString(batch.Key(0).Span) + "}"] = batch.Item(0).ToArray(),
            cancellationToken);
        return [.. examined.Select(e => e with { Actual = items.GetValueOrDefault(e.Suspect.KeyText) })];
    }
}
