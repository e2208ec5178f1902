using BillingMigration.Model;

namespace BillingMigration.Source.Drafting;

/// <summary>Decides which table is which entity, by its name, its columns and the tables that it refers to.</summary>
internal sealed class EntityRecognizer(IReadOnlyCollection<TableSchema> tables)
{
    // A whole name outweighs the end of a longer one, and either outweighs all other evidence but both kinds of it together.
    private const int WholeName = 100;
    private const int EndOfName = 60;
    private const int TypicalColumn = 4;
    private const int MostForColumns = 24;
    private const int ExpectedParent = 10;
    private const int MostForParents = 20;
    private const int Enough = 36;

    private sealed record Match(EntityProfile Profile, TableSchema Table, int Score, string Reason);

    /// <summary>Table and reason of each recognised entity.</summary>
    public IReadOnlyDictionary<string, (TableSchema Table, string Reason)> Recognize()
    {
        var prefix = CommonPrefix();
        var byName = EntityProfile.All.SelectMany(p => tables.Select(t => (Profile: p, Table: t, Score: NameScore(p, t, prefix)))).Where(m => m.Score > 0).ToList();
        var likely = byName.GroupBy(m => m.Table.Name).ToDictionary(g => g.Key, g => g.MaxBy(m => m.Score).Profile.Entity);
        var matches = EntityProfile.All.SelectMany(p => tables.Select(t => Weigh(p, t, NameScore(p, t, prefix), likely))).Where(m => m.Score >= Enough);

        var found = new Dictionary<string, (TableSchema, string)>();
        var taken = new HashSet<string>();
        foreach (var match in matches.OrderByDescending(m => m.Score).ThenBy(m => m.Table.Name, StringComparer.Ordinal))
        {
            if (!found.ContainsKey(match.Profile.Entity) && taken.Add(match.Table.Name))
            {
                found.Add(match.Profile.Entity, (match.Table, match.Reason));
            }
        }

        return found;
    }

    private static Match Weigh(EntityProfile profile, TableSchema table, int nameScore, Dictionary<string, string> likely)
    {
        var words = table.Columns.SelectMany(c => NameWords.Of(c.Name)).ToHashSet();
        var columns = profile.Columns.Where(words.Contains).ToList();
        var parents = table.ForeignKeys.Where(k => k.ReferencedDatabase is null).Select(k => k.ReferencedTable).Distinct()
            .Where(t => t != table.Name && likely.TryGetValue(t, out var entity) && profile.Parents.Contains(entity)).ToList();
        var score = nameScore + Math.Min(columns.Count * TypicalColumn, MostForColumns) + Math.Min(parents.Count * ExpectedParent, MostForParents);
        var reasons = new List<string>();
        if (nameScore > 0)
        {
            reasons.Add("its name says so");
        }

        if (columns.Count > 0)
        {
            reasons.Add($"its columns speak of {string.Join(", ", columns.Take(4))}");
        }

        if (parents.Count > 0)
        {
            reasons.Add($"it refers to {string.Join(" and ", parents.Select(p => $"'{p}'"))}");
        }

        return new Match(profile, table, score, string.Join("; ", reasons));
    }

    private static int NameScore(EntityProfile profile, TableSchema table, string? prefix)
    {
        var words = NameWords.OfTable(table.Name);
        if (prefix is not null && words.Count > 1 && words[0] == prefix)
        {
            words = [.. words.Skip(1)];
        }

        var best = 0;
        for (var i = 0; i < profile.Names.Length; i++)
        {
            var name = profile.Names[i].Split(' ');
            var score = words.SequenceEqual(name) ? WholeName : NameWords.EndsWith(words, name) ? EndOfName + (5 * name.Length) : 0;
            best = Math.Max(best, score == 0 ? 0 : score - (2 * i));
        }

        return best;
    }

    /// <summary>A first word that most tables share is the shop's own and says nothing.</summary>
    private string? CommonPrefix()
    {
        var first = tables.Select(t => NameWords.OfTable(t.Name)).Where(w => w.Count > 1).GroupBy(w => w[0]).MaxBy(g => g.Count());
        return first is not null && first.Count() > 2 && first.Count() * 2 > tables.Count ? first.Key : null;
    }
}
