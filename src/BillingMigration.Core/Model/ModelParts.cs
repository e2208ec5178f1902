using System.Text;
using BillingMigration.Definition;

namespace BillingMigration.Model;

/// <summary>A model as parts that have names and values, one a line: what <see cref="BillingModel.Digest"/> says has changed is found in them and named.</summary>
internal static class ModelParts
{
    private const int MostNamed = 10;

    public static string Of(BillingModel model)
    {
        var text = new StringBuilder();
        void Add(string name, string value) => text.Append(name).Append('\t').Append(value.Replace('\n', ' ').Replace('\t', ' ')).Append('\n');

        Add("source.database", model.Definition.Source.Database);
        Add("target.table", model.Definition.Target.Table);
        foreach (var entity in model.Entities)
        {
            Add($"the table of {entity.Entity}", entity.Table.Name);
            foreach (var key in entity.Keys)
            {
                var condition = key.When is { } when ? $" when {entity.Row[when.RowIndex].Column.Name} is one of {string.Join(", ", when.In.Select(Encoding.UTF8.GetString))}" : "";
                Add($"the {key.Index ?? "table"} key of {entity.Entity}", $"{Templates(key.PartitionKey)} / {Templates(key.SortKey)}{condition}");
            }

            foreach (var attribute in entity.Attributes)
            {
                Add($"column {entity.Table.Name}.{attribute.Column.Name}", $"{attribute.Column.ColumnType} as {attribute.Form} {attribute.Name}{(attribute.Encrypted ? ", encrypted" : "")}");
            }
        }

        var links = new StringBuilder();
        model.Links.Describe(links);
        foreach (var link in links.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            Add($"the relation {link}", "there");
        }

        return text.ToString();
    }

    /// <returns>What is not the same, as a sentence's part: <c>column charge.amount is decimal(12,4) as Number amount and was decimal(10,2) as Number amount; …</c>; empty when nothing is named.</returns>
    public static string Differences(string then, string now)
    {
        var (old, current) = (Parse(then), Parse(now));
        var found = current.Where(p => !old.ContainsKey(p.Key)).Select(p => $"{p.Key} is new")
            .Concat(old.Where(p => !current.ContainsKey(p.Key)).Select(p => $"{p.Key} is gone"))
            .Concat(current.Where(p => old.TryGetValue(p.Key, out var value) && value != p.Value).Select(p => $"{p.Key} is {p.Value} and was {old[p.Key]}"))
            .ToArray();
        var more = found.Length > MostNamed ? FormattableString.Invariant($"; and {found.Length - MostNamed} more") : "";
        return string.Join("; ", found.Take(MostNamed)) + more;
    }

    /// <returns>The entities that alone are others than they were; empty when something else is another too, or an entity is gone, or nothing is named.</returns>
    public static IReadOnlySet<string> EntitiesThatDiffer(string then, BillingModel model)
    {
        var (old, current) = (Parse(then), Parse(Of(model)));
        var found = new HashSet<string>(StringComparer.Ordinal);
        foreach (var name in old.Keys.Union(current.Keys).Where(name => old.GetValueOrDefault(name) != current.GetValueOrDefault(name)))
        {
            if (model.Entities.FirstOrDefault(e => IsOf(e, name)) is not { } entity)
            {
                return new HashSet<string>();
            }

            found.Add(entity.Entity);
        }

        return found;
    }

    private static bool IsOf(EntityModel entity, string name) =>
        name == $"the table of {entity.Entity}"
        || (name.StartsWith("the ", StringComparison.Ordinal) && name.EndsWith($" key of {entity.Entity}", StringComparison.Ordinal))
        || name.StartsWith($"column {entity.Table.Name}.", StringComparison.Ordinal)
        || name.StartsWith($"the relation {entity.Table.Database}.{entity.Table.Name}(", StringComparison.Ordinal);

    private static string Templates(IEnumerable<BoundKeyTemplate> templates) => string.Join(", ", templates.Select(t => t.Template.Text));

    private static Dictionary<string, string> Parse(string text)
    {
        var parts = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var at = line.IndexOf('\t', StringComparison.Ordinal);
            parts[line[..at]] = line[(at + 1)..];
        }

        return parts;
    }
}
