namespace BillingMigration.CollationTables;

/// <param name="Name">As a column has it.</param>
/// <param name="CharacterSet">Its own.</param>
/// <param name="Pads">Blanks at the end do not count.</param>
internal sealed record Collation(string Name, string CharacterSet, bool Pads);

/// <summary>What each code point of a collation becomes, where that is another than itself.</summary>
/// <param name="Map">By code point.</param>
/// <param name="Contractions">Code points that are something else together than one after the other.</param>
internal sealed record CollationTable(string Name, bool Pads, SortedDictionary<int, int[]> Map, IReadOnlyList<(int[] From, int[] To)> Contractions)
{
    public bool IsDisputed { get; set; }

    public bool IsSame(CollationTable other) => Pads == other.Pads && HasSameMap(other);

    public bool HasSameMap(CollationTable other) =>
        Map.Count == other.Map.Count && Map.All(e => other.Map.TryGetValue(e.Key, out var to) && to.SequenceEqual(e.Value))
        && Contractions.Count == other.Contractions.Count && Contractions.Zip(other.Contractions).All(p => p.First.From.SequenceEqual(p.Second.From) && p.First.To.SequenceEqual(p.Second.To));
}
