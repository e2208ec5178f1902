namespace BillingMigration.Simulation;

/// <summary>Takes the parts of an item that a list of paths names; the chosen elements of a list close up.</summary>
internal static class Projection
{
    public static Item Of(Item item, IReadOnlyList<DocumentPath> paths, Bindings bindings)
    {
        var chosen = Members(item.Attributes, paths, 0, bindings);
        return new Item(chosen);
    }

    private static Dictionary<string, ItemValue> Members(IReadOnlyDictionary<string, ItemValue> members, IEnumerable<DocumentPath> paths, int depth, Bindings bindings)
    {
        var result = new Dictionary<string, ItemValue>(StringComparer.Ordinal);
        foreach (var group in paths.Where(p => p.Steps[depth].Name is not null).GroupBy(p => bindings.Name(p.Steps[depth].Name!)))
        {
            if (members.TryGetValue(group.Key, out var value) && Part(value, group, depth + 1, bindings) is { } part)
            {
                result[group.Key] = part;
            }
        }

        return result;
    }

    private static ItemValue? Part(ItemValue value, IEnumerable<DocumentPath> paths, int depth, Bindings bindings)
    {
        if (paths.Any(p => p.Steps.Length == depth))
        {
            return value;
        }

        if (value.Kind == ItemValueKind.M)
        {
            var members = Members(value.Members, paths, depth, bindings);
            return members.Count == 0 ? null : ItemValue.OfMap(members);
        }

        if (value.Kind != ItemValueKind.L)
        {
            return null;
        }

        var elements = paths.Where(p => p.Steps[depth].Name is null && p.Steps[depth].Index < value.Elements.Count)
            .GroupBy(p => p.Steps[depth].Index)
            .OrderBy(g => g.Key)
            .Select(g => Part(value.Elements[g.Key], g, depth + 1, bindings))
            .OfType<ItemValue>()
            .ToArray();
        return elements.Length == 0 ? null : ItemValue.OfList(elements);
    }
}
