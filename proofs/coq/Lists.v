(* Long lists without deep recursion: what the extracted program walks by the million. *)
From Coq Require Import List Permutation Bool.
Import ListNotations.

(* l in front of a list, changed and reversed *)
Fixpoint rev_map {A B} (f : A -> B) (l : list A) (acc : list B) : list B :=
  match l with [] => acc | a :: t => rev_map f t (f a :: acc) end.
Lemma rev_map_ok {A B} (f : A -> B) l : forall acc, rev_map f l acc = rev (map f l) ++ acc.
Proof. induction l as [|a l IH]; intros acc; simpl; [reflexivity|]. rewrite IH, <- app_assoc. reflexivity. Qed.

(* Merge sort. Only that it permutes is proved: who uses it looks at the result anyway. *)
Section sort.
Context {A : Type} (leb : A -> A -> bool).
Fixpoint merge (l : list A) : list A -> list A -> list A :=
  fix go (m acc : list A) : list A :=
    match l, m with
    | [], _ => rev_append acc m
    | _, [] => rev_append acc l
    | a :: l', b :: m' => if leb a b then merge l' m (a :: acc) else go m' (b :: acc)
    end.
Fixpoint pass (runs acc : list (list A)) : list (list A) :=
  match runs with a :: b :: t => pass t (merge a b [] :: acc) | [a] => a :: acc | [] => acc end.
Fixpoint passes (n : nat) (runs : list (list A)) : list A :=
  match n, runs with S n', _ :: _ :: _ => passes n' (pass runs []) | _, [a] => a | _, _ => concat runs end.
Definition msort (l : list A) : list A := passes 64 (rev_map (fun a => [a]) l []).

Lemma rev_append_perm (acc l : list A) : Permutation (acc ++ l) (rev_append acc l).
Proof. rewrite rev_append_rev. apply Permutation_app_tail, Permutation_rev. Qed.
Lemma merge_perm l : forall m acc, Permutation (acc ++ l ++ m) (merge l m acc).
Proof.
  induction l as [|a l IHl]; intros m; [destruct m; intros; apply rev_append_perm|].
  induction m as [|b m IHm]; intros acc; cbn [merge]; [rewrite app_nil_r; apply rev_append_perm|].
  destruct (leb a b).
  - transitivity (a :: acc ++ l ++ b :: m); [symmetry; apply (Permutation_middle acc (l ++ b :: m))|]. apply (IHl (b :: m) (a :: acc)).
  - transitivity (b :: (acc ++ a :: l) ++ m); [rewrite app_assoc; symmetry; apply Permutation_middle|].
    rewrite <- app_assoc. apply (IHm (b :: acc)).
Qed.
Lemma pass_perm : forall n runs acc, length runs <= n -> Permutation (concat runs ++ concat acc) (concat (pass runs acc)).
Proof.
  induction n as [|n IH]; intros [|a [|b t]] acc L; simpl in L; try (exfalso; inversion L; fail); cbn [pass concat app]; try reflexivity.
  - rewrite app_nil_r. reflexivity.
  - etransitivity; [|apply IH; apply le_S_n in L; transitivity (S (length t)); [apply le_S|]; auto].
    cbn [concat]. rewrite <- !app_assoc, app_assoc. etransitivity; [|apply Permutation_app_swap_app].
    apply Permutation_app; [apply (merge_perm a b []) | reflexivity].
Qed.
Lemma passes_perm n : forall runs, Permutation (concat runs) (passes n runs).
Proof.
  induction n as [|n IH]; intros [|a [|b t]]; cbn [passes concat]; rewrite ?app_nil_r; try reflexivity.
  etransitivity; [|apply IH]. etransitivity; [|apply (pass_perm (length (a :: b :: t))); reflexivity].
  cbn [concat]. rewrite app_nil_r. reflexivity.
Qed.
Theorem msort_perm l : Permutation l (msort l).
Proof.
  unfold msort. etransitivity; [|apply passes_perm]. rewrite rev_map_ok, app_nil_r.
  transitivity (rev l); [apply Permutation_rev|].
  rewrite <- map_rev. induction (rev l) as [|a m IH]; simpl; [reflexivity | constructor; exact IH].
Qed.
End sort.
