using System.Globalization;

namespace BillingMigration.Source.Drafting;

/// <summary>What a draft assumes: one sentence each, which says how sure it is, and questions that only somebody who knows the source can answer.</summary>
internal sealed class DraftNotes
{
    private readonly List<string> texts = [];
    private readonly List<string> questions = [];

    public IReadOnlyList<string> Texts => texts;

    /// <summary>What the definition asks before it can be used.</summary>
    public IReadOnlyList<string> Questions => questions;

    /// <summary>The schema says so.</summary>
    public void Certain(string text) => texts.Add("Certain: " + text);

    /// <summary>Names, and where there are rows those, speak for it.</summary>
    public void Likely(string text) => texts.Add("Likely: " + text);

    /// <summary>As sure as the reference that it rests on.</summary>
    public void By(TableReference reference, string text)
    {
        if (reference.Declared)
        {
            Certain(text);
        }
        else
        {
            Likely(text);
        }
    }

    /// <summary>A key is made of a reference: what does not prove it is asked.</summary>
    public void Rely(EntityDraft child, TableReference reference)
    {
        var what = $"'{child.Table.Name}.{string.Join("', '", reference.ParentToChild.Values)}'";
        var whose = $"'{reference.Parent.Name}.{string.Join("', '", reference.ParentToChild.Keys)}'";
        if (reference.Evidence is not { } rows)
        {
            return;
        }

        if (rows.Rows == 0)
        {
            Ask($"Does {what} name the row of {whose}? Keys of {child.Profile.Entity} are made so by its name alone: no foreign key declares it, and there are no rows to look at.");
        }
        else if (rows.IsOneToOne && !IsNatural(child, reference))
        {
            Ask(string.Create(
                CultureInfo.InvariantCulture,
                $"Does {what} name the row of {whose}? Keys of {child.Profile.Entity} are made so: no foreign key declares it, and all {rows.Rows:N0} rows looked at refer to a row of their own, as two columns do that both count from 1."));
        }
    }

    /// <summary>An account names its customer by the customer's name: mostly there is one of each.</summary>
    private static bool IsNatural(EntityDraft child, TableReference reference) => child.Profile.Entity == EntityProfile.Account
        && reference.ParentToChild.All(p => NameWords.Joined(p.Key) != NameWords.Joined(p.Value) || NameWords.Of(p.Value).Any(NameWords.OfTable(reference.Parent.Name).Contains));

    /// <summary>Nothing proves it.</summary>
    public void Ask(string question)
    {
        if (!questions.Contains(question))
        {
            questions.Add(question);
            texts.Add("Open: " + question);
        }
    }
}
