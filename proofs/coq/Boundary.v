(* The decision boundary (Definition 10): Lemma 16, Theorem 17, and that nothing listed covers another.
   Theorem boundary: if the core of the checker accepts, no point is listed twice as a vertex and `ties_ok` accepts the
   listed ties, then
   - a point of the window where two outputs are largest lies on a listed face, and a point of a listed face is such a one;
   - of each listed face the outputs listed are exactly those that are largest all along it;
   - no face is listed twice, and of two faces each has a point that is not on the other;
   - the relative interiors of two faces do not meet, nor that of a face and the whole of one of higher dimension. *)
From Coq Require Import Reals Lra Psatz ZArith List Bool Lia Permutation FMapPositive.
From Exactcam Require Import Lists Plane Polygon Tiling Network Regions Evaluate Checker Sound Outputs Maps Edges Linear.
Import ListNotations.

(* ---------- what is meant *)
Open Scope R_scope.
Definition contest (out : nat) (q : question) (p : pt) : vec := rivals 0 (output out q p).
Definition wins (out : nat) (q : question) (p : pt) (k : nat) : Prop :=
  (k < length (contest out q p))%nat /\ forall j, (j < length (contest out q p))%nat -> nth j (contest out q p) 0 <= nth k (contest out q p) 0.
Definition tie (out : nat) (q : question) (p : pt) : Prop := exists k j, k <> j /\ wins out q p k /\ wins out q p j.
(* a face: a vertex, two that are the ends of a segment, or the corners of a piece *)
Definition face (a : answer) (f : list positive) : set :=
  match f with
  | [] => fun _ => False
  | [i] => fun p => p = corner a i
  | [i; j] => fun p => exists t, 0 <= t <= 1 /\ p = at_ t (corner a i) (corner a j)
  | _ => inP (map (corner a) f)
  end.
Definition within (a : answer) (f : list positive) : set :=     (* its relative interior *)
  match f with
  | [] => fun _ => False
  | [i] => fun p => p = corner a i
  | [i; j] => fun p => on p (corner a i) (corner a j)
  | _ => inside (map (corner a) f)
  end.
Definition dimension (f : list positive) : nat := Nat.min (length f) 3.

(* ---------- the check *)
Open Scope Z_scope.
Definition two (m : Z) : bool := (0 <? m) && negb (m =? 2 ^ Z.log2 m).
Definition lands (k : list named) : Z :=
  match k with [] => 0 | x :: t => fold_left (fun m y => Z.land m (fw (snd y))) t (fw (snd x)) end.
Definition pair_of (i j : positive) : positive * positive := if Pos.ltb i j then (i, j) else (j, i).
Definition segment (e : named * named) : positive * positive * Z :=
  (pair_of (fst (fst e)) (fst (snd e)), Z.land (fw (snd (fst e))) (fw (snd (snd e)))).
Definition dot_ (x : named) : positive * positive * Z := ((fst x, fst x), fw (snd x)).
Definition tied (l : list (positive * positive * Z)) : list (positive * positive * Z) := filter (fun x => two (snd x)) l.
Record found_ := Found { plateaus : list (list named); segments : list (positive * positive * Z); dots : list (positive * positive * Z) }.
Definition look (s : option found_) (k : list named) : option found_ :=
  match s with
  | None => None
  | Some f => let m := lands k in
      if 0 <? m then
        Some (Found (if two m then k :: plateaus f else plateaus f)
                    (rev_append (tied (map segment (edges k))) (segments f)) (rev_append (tied (map dot_ k)) (dots f)))
      else None
  end.
Definition look_all (R : list (list (list named))) : option found_ := fold_left (fun s U => fold_left look U s) R (Some (Found [] [] [])).
(* sets of pairs of names *)
Definition pairs_ := PositiveMap.t (PositiveMap.t unit).
Definition mem (s : pairs_) (e : positive * positive) : bool :=
  match PositiveMap.find (fst e) s with None => false | Some t => match PositiveMap.find (snd e) t with None => false | Some _ => true end end.
Definition add (s : pairs_) (e : positive * positive) : pairs_ :=
  let t := match PositiveMap.find (fst e) s with None => PositiveMap.empty unit | Some t => t end in
  PositiveMap.add (fst e) (PositiveMap.add (snd e) tt t) s.
Definition cover {A} (g : A -> list (positive * positive)) (l : list A) (s : pairs_) : pairs_ := fold_left (fun s x => fold_left add (g x) s) l s.
Fixpoint fresh (s : pairs_) (l acc : list (positive * positive * Z)) : list (positive * positive * Z) :=
  match l with [] => acc | x :: t => if mem s (fst x) then fresh s t acc else fresh (add s (fst x)) t (x :: acc) end.
Definition sides_of (k : list named) : list (positive * positive) := map (fun e => fst (segment e)) (edges k).
Definition corners_of (k : list named) : list (positive * positive) := map (fun x => (fst x, fst x)) k.
Definition ends_of (x : positive * positive * Z) : list (positive * positive) :=
  let '(i, j, _) := x in [(i, i); (j, j)].
Definition no_pairs : pairs_ := PositiveMap.empty _.
Definition kept_segments (f : found_) := fresh (cover sides_of (plateaus f) no_pairs) (segments f) [].
Definition kept_dots (f : found_) := fresh (cover corners_of (plateaus f) (cover ends_of (segments f) no_pairs)) (dots f) [].
(* a face and the outputs that tie on it, as one list of numbers *)
Definition tie_ := (list positive * Z)%type.
Definition of_plateau (k : list named) : tie_ := (map fst k, lands k).
Definition of_segment (x : positive * positive * Z) : tie_ := let '(i, j, m) := x in ([i; j], m).
Definition of_dot (x : positive * positive * Z) : tie_ := let '(i, _, m) := x in ([i], m).
Definition key (t : tie_) : list Z := snd t :: map Zpos (fst t).
Definition expected (f : found_) : list (list Z) :=
  rev_map (fun k => key (of_plateau k)) (plateaus f)
    (rev_map (fun x => key (of_segment x)) (kept_segments f) (rev_map (fun x => key (of_dot x)) (kept_dots f) [])).
Definition mask_of (ks : list Z) : Z := fold_left (fun m k => Z.lor m (Z.shiftl 1 k)) ks 0.
Definition listed (t : list positive * list Z) : tie_ := (fst t, mask_of (snd t)).
Fixpoint leqs (l m : list (list Z)) : bool :=
  match l, m with [], [] => true | x :: l', y :: m' => leq x y && leqs l' m' | _, _ => false end.
Definition sorted_ (l : list (list Z)) : list (list Z) := msort (fun l m => negb (lexlt m l)) l.
Definition classes (R : list (list (list named))) : Z :=
  match R with ((x :: _) :: _) :: _ => Z.of_nat (length (rivals 0 (fo (snd x)))) | _ => 0 end.
Definition ties_ok (R : list (list (list named))) (ts : list (list positive * list Z)) : bool :=
  let n := classes R in
  forallb (fun t => forallb (fun k => (0 <=? k) && (k <? n)) (snd t) && all_different (map (fun k => [k]) (snd t))) ts
  && match look_all R with
     | None => false
     | Some f => leqs (sorted_ (expected f)) (sorted_ (rev_map (fun t => key (listed t)) ts []))
     end.
Definition lowest (h : hpt) : bool := let '(x, y, w) := h in Z.gcd (Z.gcd x y) w =? 1.
Definition vertices_ok (vs : list hpt) : bool :=
  forallb lowest vs && all_different (rev_map (fun h => let '(x, y, w) := h in [x; y; w]) vs []).

(* ---------- bits *)
Lemma bits_nth f l : forall k, bit (bits f l) k = true <-> (k < length l)%nat /\ f (nth k l 0) = true.
Proof.
  induction l as [|z l IH]; intros k; [rewrite bits_nil; simpl; split; [discriminate | lia]|].
  destruct k; [rewrite bits_0; simpl; split; [intros H; split; [lia | exact H] | tauto]|]. rewrite bits_S, IH. simpl. split; intros [A B]; split; auto; lia.
Qed.
Lemma two_ok m : 0 <= m -> (two m = true <-> exists k j, k <> j /\ bit m k = true /\ bit m j = true).
Proof.
  intros M. unfold two. rewrite andb_true_iff, negb_true_iff, Z.ltb_lt, Z.eqb_neq. split.
  - intros [P0 N]. set (h := Z.log2 m) in *. assert (H0 : 0 <= h) by apply Z.log2_nonneg.
    assert (C : 0 < Z.clearbit m h).
    { assert (0 <= Z.clearbit m h) by (unfold Z.clearbit; apply Z.ldiff_nonneg; left; exact M).
      destruct (Z.eq_dec (Z.clearbit m h) 0) as [E|]; [|lia]. exfalso. apply N. apply Z.bits_inj. intros i.
      destruct (Z.eq_dec h i) as [<-|D]; [rewrite Z.bit_log2, Z.pow2_bits_true by assumption; reflexivity|].
      rewrite Z.pow2_bits_false by assumption. destruct (Z.testbit m i) eqn:T; [|reflexivity].
      assert (X : Z.testbit (Z.clearbit m h) i = true) by (apply Z.clearbit_iff; auto). rewrite E, Z.testbit_0_l in X. discriminate. }
    destruct (positive_bit _ C) as (j & J). unfold bit in J. apply Z.clearbit_iff in J. exists (Z.to_nat h), j.
    split; [lia|]. unfold bit. rewrite Z2Nat.id by exact H0. split; [apply Z.bit_log2, P0 | apply J].
  - intros (k & j & N & A & B). unfold bit in *. split.
    + destruct (Z.eq_dec m 0) as [->|]; [rewrite Z.testbit_0_l in A; discriminate | lia].
    + intros E. rewrite E in A, B. rewrite Z.pow2_bits_eqb in A, B by apply Z.log2_nonneg. apply Z.eqb_eq in A, B. lia.
Qed.
Lemma land_bit m n k : bit (Z.land m n) k = true <-> bit m k = true /\ bit n k = true.
Proof. unfold bit. rewrite Z.land_spec. apply andb_true_iff. Qed.
Lemma lands_bit k : k <> [] -> forall i, bit (lands k) i = true <-> forall x, In x k -> bit (fw (snd x)) i = true.
Proof.
  destruct k as [|x k]; [congruence|]. intros _ i. cbn [lands].
  assert (G : forall (l : list named) m, bit (fold_left (fun m y => Z.land m (fw (snd y))) l m) i = true <-> bit m i = true /\ forall x, In x l -> bit (fw (snd x)) i = true).
  { clear. induction l as [|y l IH]; intros m; cbn [fold_left]; [simpl; tauto|]. rewrite IH, land_bit. split.
    - intros ((A & B) & C). split; [exact A|]. intros x [<-|I]; auto.
    - intros (A & B). split; [split; [exact A | apply B; simpl; auto]|]. intros x I. apply B. simpl; auto. }
  rewrite G. split; [intros (A & B) y [<-|I]; auto | intros A; split; [|intros y I]; apply A; simpl; auto].
Qed.
Lemma mask_bit ks : forallb (fun k => 0 <=? k) ks = true -> forall j, bit (mask_of ks) j = true <-> In (Z.of_nat j) ks.
Proof.
  intros H j. unfold mask_of. assert (G : forall l m, forallb (fun k => 0 <=? k) l = true ->
    (bit (fold_left (fun m k => Z.lor m (Z.shiftl 1 k)) l m) j = true <-> bit m j = true \/ In (Z.of_nat j) l)).
  { clear. induction l as [|k l IH]; intros m H; cbn [fold_left]; [simpl; tauto|]. cbn [forallb] in H. apply andb_true_iff in H. destruct H as [K H].
    apply Z.leb_le in K. rewrite IH by exact H. unfold bit. rewrite Z.lor_spec, orb_true_iff, Z.shiftl_1_l, Z.pow2_bits_eqb, Z.eqb_eq by exact K. simpl. intuition auto. }
  rewrite (G ks 0 H). unfold bit at 1. rewrite Z.testbit_0_l. intuition discriminate.
Qed.

(* ---------- sets of pairs *)
Lemma mem_add s e x : mem (add s e) x = true <-> x = e \/ mem s x = true.
Proof.
  destruct e as [i j], x as [u v]. unfold mem, add. cbn [fst snd]. destruct (Pos.eq_dec u i) as [->|N].
  - rewrite PositiveMap.gss. destruct (Pos.eq_dec v j) as [->|N']; [rewrite PositiveMap.gss; tauto|]. rewrite PositiveMap.gso by exact N'.
    destruct (PositiveMap.find i s) as [t|]; [|rewrite PositiveMap.gempty]; (split; [intros H; auto; discriminate | intros [E|E]; [congruence | exact E]]).
  - rewrite PositiveMap.gso by exact N. split; [auto | intros [E|E]; [congruence | exact E]].
Qed.
Lemma mem_cover {A} (g : A -> list (positive * positive)) l : forall s x, mem (cover g l s) x = true <-> (exists y, In y l /\ In x (g y)) \/ mem s x = true.
Proof.
  assert (G : forall l s x, mem (fold_left add l s) x = true <-> In x l \/ mem s x = true).
  { clear. induction l as [|e l IH]; intros s x; cbn [fold_left]; [simpl; tauto|]. rewrite IH, mem_add. simpl. intuition auto. }
  unfold cover. induction l as [|y l IH]; intros s x; cbn [fold_left].
  - split; [auto | intros [(y & [] & _)|H]; exact H].
  - rewrite IH, G. split.
    + intros [(z & I & J)|[I|H]]; [left; exists z; simpl; auto | left; exists y; simpl; auto | auto].
    + intros [(z & [<-|I] & J)|H]; [auto | left; exists z; auto | auto].
Qed.
Lemma mem_none x : mem no_pairs x = false.
Proof. unfold mem, no_pairs. rewrite PositiveMap.gempty. reflexivity. Qed.
Lemma fresh_in l : forall s acc x, In x (fresh s l acc) -> In x acc \/ In x l /\ mem s (fst x) = false.
Proof.
  induction l as [|y l IH]; intros s acc x H; cbn [fresh] in H; [auto|]. destruct (mem s (fst y)) eqn:M.
  - apply IH in H. simpl. tauto.
  - apply IH in H. destruct H as [[<-|H]|[H K]]; [simpl; auto | auto|]. right. split; [simpl; auto|].
    destruct (mem s (fst x)) eqn:E; [|reflexivity]. assert (mem (add s (fst y)) (fst x) = true) by (apply mem_add; auto). congruence.
Qed.
Lemma fresh_all l : forall s acc x, In x acc \/ In x l /\ mem s (fst x) = false -> exists y, In y (fresh s l acc) /\ fst y = fst x.
Proof.
  induction l as [|y l IH]; intros s acc x H; cbn [fresh]; [exists x; destruct H as [H|[[] _]]; auto|].
  destruct (mem s (fst y)) eqn:M.
  - apply IH. destruct H as [H|[[->|H] K]]; [auto | congruence | auto].
  - destruct H as [H|[[->|H] K]]; [apply IH; left; simpl; auto | apply IH; left; simpl; auto |].
    destruct (mem (add s (fst y)) (fst x)) eqn:E; [|apply IH; auto]. apply mem_add in E. destruct E as [E|E]; [|congruence].
    rewrite E. apply IH. left; simpl; auto.
Qed.
Lemma fresh_once l : forall s acc, NoDup (map fst acc) -> (forall x, In x acc -> mem s (fst x) = true) -> NoDup (map fst (fresh s l acc)).
Proof.
  induction l as [|y l IH]; intros s acc N H; cbn [fresh]; [exact N|]. destruct (mem s (fst y)) eqn:M; [apply IH; assumption|]. apply IH.
  - cbn [map]. constructor; [|exact N]. intros I. apply in_map_iff in I. destruct I as (x & E & I). apply H in I. congruence.
  - intros x [<-|I]; apply mem_add; auto.
Qed.

(* ---------- what was looked at *)
Lemma look_spec l : forall s f, fold_left look l (Some s) = Some f ->
  (forall k, In k l -> 0 < lands k) /\ plateaus f = rev (filter (fun k => two (lands k)) l) ++ plateaus s /\
  (forall x, In x (segments f) <-> In x (segments s) \/ exists k, In k l /\ In x (tied (map segment (edges k)))) /\
  (forall x, In x (dots f) <-> In x (dots s) \/ exists k, In k l /\ In x (tied (map dot_ k))).
Proof.
  assert (None_ : forall l, fold_left look l None = None) by (induction l0 as [|k l0 IH]; [reflexivity | exact IH]).
  induction l as [|k l IH]; intros s f H; cbn [fold_left] in H.
  - injection H as <-. split; [intros k []|]. split; [reflexivity|]. split; intros x; (split; [auto | intros [I|(k & [] & _)]; exact I]).
  - unfold look at 2 in H. cbn zeta in H. destruct (Z.ltb_spec 0 (lands k)) as [L|L]; [|rewrite None_ in H; discriminate].
    apply IH in H. destruct H as (A & B & C & D). cbn [plateaus segments dots] in B, C, D. split; [|split; [|split]].
    + intros y [<-|I]; auto.
    + rewrite B. cbn [filter]. destruct (two (lands k)); [cbn [rev]; rewrite <- app_assoc|]; reflexivity.
    + intros x. rewrite C, rev_append_rev, in_app_iff, <- in_rev. split.
      * intros [[I|I]|(y & I & J)]; [right; exists k; simpl; auto | auto | right; exists y; simpl; auto].
      * intros [I|(y & [<-|I] & J)]; [auto | auto | right; exists y; auto].
    + intros x. rewrite D, rev_append_rev, in_app_iff, <- in_rev. split.
      * intros [[I|I]|(y & I & J)]; [right; exists k; simpl; auto | auto | right; exists y; simpl; auto].
      * intros [I|(y & [<-|I] & J)]; [auto | auto | right; exists y; auto].
Qed.
Lemma look_all_spec R f : look_all R = Some f ->
  (forall k, In k (concat R) -> 0 < lands k) /\ plateaus f = rev (filter (fun k => two (lands k)) (concat R)) /\
  (forall x, In x (segments f) <-> exists k, In k (concat R) /\ In x (tied (map segment (edges k)))) /\
  (forall x, In x (dots f) <-> exists k, In k (concat R) /\ In x (tied (map dot_ k))).
Proof.
  unfold look_all. assert (E : forall V' s, fold_left (fun s U => fold_left look U s) V' s = fold_left look (concat V') s).
  { induction V' as [|U V' IH]; intros s; cbn [fold_left concat]; [reflexivity|]. rewrite IH, fold_left_app. reflexivity. }
  rewrite E. intros H. apply look_spec in H. cbn [plateaus segments dots] in H. rewrite app_nil_r in H.
  destruct H as (A & B & C & D). split; [exact A|]. split; [exact B|]. split; intros x; [rewrite C | rewrite D]; simpl; tauto.
Qed.
Lemma leqs_ok l : forall m, leqs l m = true -> l = m.
Proof.
  induction l as [|x l IH]; intros [|y m] H; cbn [leqs] in H; try discriminate; [reflexivity|]. apply andb_true_iff in H. destruct H as [A B].
  apply leq_ok in A. f_equal; auto.
Qed.
Definition wanted (f : found_) : list tie_ := map of_plateau (plateaus f) ++ map of_segment (kept_segments f) ++ map of_dot (kept_dots f).
Lemma same_ties f ts : leqs (sorted_ (expected f)) (sorted_ (rev_map (fun t => key (listed t)) ts [])) = true -> Permutation (wanted f) (map listed ts).
Proof.
  intros H. apply leqs_ok in H. unfold sorted_ in H.
  assert (P1 : Permutation (map key (wanted f)) (map key (map listed ts))).
  { transitivity (expected f).
    - unfold expected, wanted. rewrite !rev_map_ok, app_nil_r, !map_app, !map_map. repeat apply Permutation_app; apply Permutation_rev.
    - etransitivity; [apply msort_perm|]. rewrite H. symmetry. etransitivity; [|apply msort_perm]. rewrite rev_map_ok, app_nil_r, map_map. apply Permutation_rev. }
  set (unkey := fun l : list Z => match l with [] => ([], 0) | m :: t => (map Z.to_pos t, m) end).
  apply (Permutation_map unkey) in P1. rewrite !map_map in P1.
  assert (U : forall t, unkey (key t) = t).
  { intros [n m]. unfold unkey, key. cbn [fst snd]. rewrite map_map. f_equal. apply map_id. }
  rewrite (map_ext _ (fun t => t)), map_id in P1 by exact U. rewrite (map_ext _ listed) in P1 by (intros; apply U). exact P1.
Qed.
Lemma lowest_unique h h' : lowest h = true -> lowest h' = true -> 0 < hw h -> 0 < hw h' -> hp h = hp h' -> h = h'.
Proof.
  destruct h as [[x y] w], h' as [[x' y'] w']. cbn [lowest hw snd hp]. rewrite !Z.eqb_eq. intros G G' W W' E. injection E as E1 E2.
  assert (Cross : forall a b, (IZR a / IZR w = IZR b / IZR w')%R -> a * w' = b * w).
  { intros a b H. apply eq_IZR. rewrite !mult_IZR. apply IZR_lt in W, W'. apply (f_equal (fun r => r * (IZR w * IZR w')))%R in H. field_simplify in H; lra. }
  apply Cross in E1, E2.
  assert (Div : forall x y w x' y' w', 0 < w -> 0 < w' -> Z.gcd (Z.gcd x y) w = 1 -> x * w' = x' * w -> y * w' = y' * w -> (w | w')).
  { clear. intros x y w x' y' w' W W' G E1 E2. apply (Z.gauss w (Z.gcd x y) w'); [|rewrite Z.gcd_comm; exact G].
    replace (Z.gcd x y * w') with (Z.gcd (x * w') (y * w')) by (rewrite Z.gcd_mul_mono_r, Z.abs_eq by lia; reflexivity).
    apply Z.gcd_greatest; [rewrite E1 | rewrite E2]; apply Z.divide_factor_r. }
  assert (w = w'). { apply Z.divide_antisym_nonneg; try lia; [apply (Div x y w x' y') | apply (Div x' y' w' x y)]; auto; lia. }
  subst w'. assert (x = x') by nia. assert (y = y') by nia. congruence.
Qed.

Open Scope R_scope.
Lemma at_on x a b t : 0 <= t <= 1 -> x = at_ t a b -> x = a \/ x = b \/ on x a b.
Proof.
  intros T0 E. destruct (Req_dec t 0) as [->|N0]; [left; subst; destruct a; unfold at_; simpl; f_equal; ring|].
  destruct (Req_dec t 1) as [->|N1]; [right; left; subst; destruct a, b; unfold at_; simpl; f_equal; ring|]. right; right. exists t. split; [lra | exact E].
Qed.
Lemma on_at x a b : on x a b -> exists t, 0 <= t <= 1 /\ x = at_ t a b.
Proof. intros (s & S & E). exists s. split; [lra | exact E]. Qed.
Lemma at_rev t a b : at_ t a b = at_ (1 - t) b a.
Proof. destruct a, b; unfold at_; simpl; f_equal; ring. Qed.
Lemma at_zero a b : at_ 0 a b = a. Proof. destruct a; unfold at_; simpl; f_equal; ring. Qed.
Lemma at_one a b : at_ 1 a b = b. Proof. destruct a, b; unfold at_; simpl; f_equal; ring. Qed.
Lemma segment_in l x y t : conv l -> In x l -> In y l -> 0 <= t <= 1 -> inP l (at_ t x y).
Proof.
  intros C Ix Iy Ht e Ie. rewrite <- ev_line, ev_at, !ev_line. pose proof (corner_in l x C Ix e Ie). pose proof (corner_in l y C Iy e Ie).
  assert (0 <= (1 - t) * orient (fst e) (snd e) x) by (apply Rmult_le_pos; lra).
  assert (0 <= t * orient (fst e) (snd e) y) by (apply Rmult_le_pos; lra). lra.
Qed.
Lemma rivals_map {A B} (g : A -> B) (z : A) l : rivals (g z) (map g l) = map g (rivals z l).
Proof. destruct l as [|x [|y l]]; reflexivity. Qed.
Lemma rivals_rel D zs xs : rel D zs xs -> rel D (rivals 0%Z zs) (rivals 0 xs).
Proof.
  intros H. destruct H as [|z x zs xs E H]; [constructor|]. destruct H as [|z' x' zs xs E' H]; cbn [rivals]; repeat constructor; auto. ring.
Qed.

Section boundary.
Variables (q : question) (a : answer) (out : nat).
Hypothesis ok : checked q a.
Variable R : list (list (list named)).
Hypothesis R_is : Forall2 (Forall2 (Forall2 (fun i x => fst x = i /\ known q a out x))) (regions a) R.
Hypothesis distinct : vertices_ok (vertices a) = true.
Variable f : found_.
Hypothesis looked : look_all R = Some f.
Notation piece n k := (nth_error (concat R) n = Some k).
Notation cor x := (corner a (fst x)).
Notation wins := (wins out q).

(* ---------- pieces, by number *)
Lemma piece_in n k : piece n k -> In k (concat R). Proof. apply nth_error_In. Qed.
Lemma piece_nth k : In k (concat R) -> exists n, piece n k. Proof. apply In_nth_error. Qed.
Lemma piece_names n k : piece n k -> nth_error (concat (regions a)) n = Some (map fst k).
Proof. intros H. rewrite <- (R_names q a out R R_is), <- (concat_map (map fst)). exact (map_nth_error (map fst) n _ H). Qed.
Lemma pts k : In k (concat R) -> points k = shape_of a (map fst k).
Proof. intros I. apply (points_corner q a out ok). apply (R_ok q a out ok R R_is k I). Qed.
Lemma pts_map k : In k (concat R) -> points k = map (fun x => cor x) k.
Proof. intros I. rewrite (pts k I). unfold shape_of. apply map_map. Qed.
Lemma pts_in k x : In k (concat R) -> In x k -> In (cor x) (points k).
Proof. intros I J. rewrite (pts_map k I). apply in_map_iff. exists x. auto. Qed.
Lemma in_pts k c : In k (concat R) -> In c (points k) -> exists x, In x k /\ c = cor x.
Proof. intros I J. rewrite (pts_map k I) in J. apply in_map_iff in J. destruct J as (x & <- & J). exists x; auto. Qed.
Lemma pts_edge k x y : In k (concat R) -> In (x, y) (edges k) -> In (cor x, cor y) (edges (points k)).
Proof. intros I J. rewrite (pts_map k I), edges_map. apply in_map_iff. exists (x, y). auto. Qed.
Lemma edge_pts k b c : In k (concat R) -> In (b, c) (edges (points k)) -> exists x y, In (x, y) (edges k) /\ b = cor x /\ c = cor y.
Proof. intros I J. rewrite (pts_map k I), edges_map in J. apply in_map_iff in J. destruct J as ([x y] & E & J). injection E as <- <-. exists x, y; auto. Qed.
Lemma conv_ k : In k (concat R) -> conv (points k). Proof. apply (R_conv q a out ok R R_is). Qed.
Lemma ccw_ k : In k (concat R) -> (3 <= length (points k))%nat /\ ccw (points k). Proof. apply (R_ccw q a out ok R R_is). Qed.
Lemma known_ k x : In k (concat R) -> In x k -> known q a out x. Proof. intros I. apply (R_ok q a out ok R R_is k I). Qed.
(* different names are different points *)
Lemma cor_inj x y : known q a out x -> known q a out y -> cor x = cor y -> fst x = fst y.
Proof.
  intros Kx Ky E. destruct (known_corner q a out ok x Kx) as [Cx Wx], (known_corner q a out ok y Ky) as [Cy Wy].
  rewrite <- Cx, <- Cy in E. apply andb_true_iff in distinct. destruct distinct as [Lo Di]. rewrite forallb_forall in Lo. apply all_different_ok in Di.
  rewrite rev_map_ok, app_nil_r in Di. destruct Kx as [Nx _], Ky as [Ny _].
  pose proof (Lo _ (nth_error_In _ _ Nx)) as Lx. pose proof (Lo _ (nth_error_In _ _ Ny)) as Ly.
  assert (Eh : npt x = npt y) by (apply lowest_unique; assumption).
  assert (ND : NoDup (vertices a)).
  { eapply NoDup_map_inv. eapply Permutation_NoDup; [symmetry; apply Permutation_rev | exact Di]. }
  rewrite NoDup_nth_error in ND. assert (Q0 : (Pos.to_nat (fst x) - 1 = Pos.to_nat (fst y) - 1)%nat); [|lia].
  apply ND; [apply nth_error_Some; congruence | congruence].
Qed.
Lemma same_name k k' x y : In k (concat R) -> In k' (concat R) -> In x k -> In y k' -> cor x = cor y -> fst x = fst y.
Proof. intros I I' J J'. apply cor_inj; [apply (known_ k) | apply (known_ k')]; assumption. Qed.

(* ---------- Lemma 16 *)
Lemma winners_bit x i : known q a out x -> (bit (fw (snd x)) i = true <-> wins (cor x) i).
Proof.
  intros K. destruct (known_corner q a out ok x K) as [C W]. rewrite <- C. destruct K as [_ E]. rewrite E, evalf_ok. cbn zeta. cbn [fw].
  destruct (output_rel out q (npt x) W) as [D H]. rewrite evalf_ok in H. cbn zeta in H. cbn [fo] in H.
  set (y := snd (at_src out _)) in *. apply rivals_rel in H. unfold Boundary.wins, contest, winnersZ.
  set (ms := rivals 0%Z y) in *. set (cs := rivals 0 (output out q (hp (npt x)))) in *.
  assert (P0 : 0 < IZR (outD out q) * IZR (hw (npt x))) by (apply Rmult_lt_0_compat; apply IZR_lt; assumption).
  set (Dw := IZR (outD out q) * IZR (hw (npt x))) in *. rewrite bits_nth, (Forall2_len _ _ _ H), Z.eqb_eq.
  pose proof (rel_nth Dw ms cs i H) as Ni. pose proof (rel_maxi Dw ms cs P0 H) as Mx. split; intros [L X]; (split; [exact L|]).
  - intros j Lj. apply (f_equal IZR) in X. rewrite Ni, Mx in X. apply Rmult_eq_reg_l in X; [|lra]. rewrite X. apply maxi_ge, nth_In, Lj.
  - apply eq_IZR. rewrite Ni, Mx. f_equal. symmetry. apply maxi_is; [apply nth_In, L|]. intros n In_. apply (In_nth _ _ 0) in In_.
    destruct In_ as (j & Lj & <-). apply X, Lj.
Qed.
Lemma lands_wins k : In k (concat R) -> forall i, bit (lands k) i = true <-> forall x, In x k -> wins (cor x) i.
Proof.
  intros I i. assert (N : k <> []) by (intros ->; apply ccw_ in I; simpl in I; lia). rewrite (lands_bit k N).
  split; intros H x J; apply winners_bit; try apply H; try apply (known_ k); auto.
Qed.
Lemma contest_forms k : In k (concat R) -> exists H, forall p, inP (points k) p -> contest out q p = evs p H.
Proof.
  intros I. destruct (R_forms q a out ok R R_is k I) as (G & HG). exists (rivals zero G). intros p J. unfold contest. rewrite (HG p J).
  unfold evs. rewrite <- (rivals_map (fun f => ev f p) zero G), ev_zero. reflexivity.
Qed.
Lemma wins_forms p H i : contest out q p = evs p H ->
  (wins p i <-> (i < length H)%nat /\ forall j, (j < length H)%nat -> ev (nth j H zero) p <= ev (nth i H zero) p).
Proof.
  intros E. unfold Boundary.wins. rewrite E, evs_length. split; intros [L X]; (split; [exact L|]); intros j Lj; specialize (X j Lj); rewrite !nth_evs in *; exact X.
Qed.
Lemma wins_piece k i : In k (concat R) -> (forall x, In x k -> wins (cor x) i) -> forall p, inP (points k) p -> wins p i.
Proof.
  intros I H p J. destruct (contest_forms k I) as (G & HG). apply (wins_forms p G i (HG p J)). pose proof (conv_ k I) as C.
  assert (Q0 : forall x, In x k -> (i < length G)%nat /\ forall j, (j < length G)%nat -> ev (nth j G zero) (cor x) <= ev (nth i G zero) (cor x)).
  { intros x Ix. apply (wins_forms _ G i); [|apply H, Ix]. apply HG, corner_in; [exact C | apply pts_in; assumption]. }
  split.
  - destruct k as [|x k]; [apply ccw_ in I; simpl in I; lia|]. apply (Q0 x). left; reflexivity.
  - intros j Lj. cut (0 <= ev (fadd (nth i G zero) (neg (nth j G zero))) p); [rewrite ev_add, ev_neg; lra|].
    apply (nonneg_on (points k)); [exact C | | exact J]. intros c Ic. apply (in_pts k c I) in Ic. destruct Ic as (x & Ix & ->).
    rewrite ev_add, ev_neg. pose proof (proj2 (Q0 x Ix) j Lj). lra.
Qed.
Lemma wins_segment k x y i t : In k (concat R) -> In x k -> In y k -> wins (cor x) i -> wins (cor y) i -> 0 <= t <= 1 -> wins (at_ t (cor x) (cor y)) i.
Proof.
  intros I Ix Iy Wx Wy T0. destruct (contest_forms k I) as (G & HG). pose proof (conv_ k I) as C.
  pose proof (pts_in k x I Ix) as Jx. pose proof (pts_in k y I Iy) as Jy.
  apply (wins_forms _ G i (HG _ (corner_in _ _ C Jx))) in Wx. apply (wins_forms _ G i (HG _ (corner_in _ _ C Jy))) in Wy.
  apply (wins_forms _ G i (HG _ (segment_in _ _ _ t C Jx Jy T0))). destruct Wx as [L Wx], Wy as [_ Wy]. split; [exact L|]. intros j Lj. rewrite !ev_at.
  specialize (Wx j Lj). specialize (Wy j Lj).
  assert (0 <= (1 - t) * (ev (nth i G zero) (cor x) - ev (nth j G zero) (cor x))) by (apply Rmult_le_pos; lra).
  assert (0 <= t * (ev (nth i G zero) (cor y) - ev (nth j G zero) (cor y))) by (apply Rmult_le_pos; lra). lra.
Qed.
Lemma common_winner k : In k (concat R) -> exists w, forall x, In x k -> wins (cor x) w.
Proof.
  intros I. destruct (look_all_spec R f looked) as (P0 & _). destruct (positive_bit _ (P0 k I)) as (w & B). exists w. apply (lands_wins k I), B.
Qed.
(* what is largest at a point is so at the corners of the face it is inside of *)
Lemma wins_back k p i : In k (concat R) -> inP (points k) p -> wins p i ->
  (inside (points k) p -> forall x, In x k -> wins (cor x) i) /\
  (forall x y, In (x, y) (edges k) -> on p (cor x) (cor y) -> wins (cor x) i /\ wins (cor y) i).
Proof.
  intros I J Wp. destruct (common_winner k I) as (w & Cw). destruct (contest_forms k I) as (G & HG). pose proof (conv_ k I) as C.
  pose proof (wins_piece k w I Cw p J) as Ww. apply (wins_forms p G i (HG p J)) in Wp. apply (wins_forms p G w (HG p J)) in Ww.
  destruct Wp as [Li Wp], Ww as [Lw Ww]. set (h := fadd (nth w G zero) (neg (nth i G zero))).
  assert (Eh : forall p, ev h p = ev (nth w G zero) p - ev (nth i G zero) p) by (intros; unfold h; rewrite ev_add, ev_neg; ring).
  assert (Hp : ev h p = 0) by (rewrite Eh; pose proof (Wp w Lw); pose proof (Ww i Li); lra).
  assert (Ct : forall x, In x k -> contest out q (cor x) = evs (cor x) G) by (intros x Ix; apply HG, corner_in; [exact C | apply pts_in; assumption]).
  assert (Hc : forall x, In x k -> 0 <= ev h (cor x)).
  { intros x Ix. rewrite Eh. pose proof (Cw x Ix) as Q0. apply (wins_forms _ G w (Ct x Ix)) in Q0. pose proof (proj2 Q0 i Li). lra. }
  assert (Back : forall x, In x k -> ev h (cor x) = 0 -> wins (cor x) i).
  { intros x Ix Z. apply (wins_forms _ G i (Ct x Ix)). split; [exact Li|]. intros j Lj. pose proof (Cw x Ix) as Q0.
    apply (wins_forms _ G w (Ct x Ix)) in Q0. pose proof (proj2 Q0 j Lj). rewrite Eh in Z. lra. }
  split.
  - intros In_ x Ix. apply Back; [exact Ix|]. destruct (Rle_lt_dec (ev h (cor x)) 0) as [L|L]; [pose proof (Hc x Ix); lra|].
    exfalso. assert (0 < ev h p); [|lra]. apply (pos_inside (points k) h p (cor x)); auto; [|apply corner_in; [exact C | apply pts_in; assumption]].
    intros c Ic. apply (in_pts k c I) in Ic. destruct Ic as (y & Iy & ->). apply Hc, Iy.
  - intros x y E O. pose proof (edge_in _ _ E) as [Ix Iy]. cbn [fst snd] in Ix, Iy. destruct (on_orient p (cor x) (cor y) p O) as (s & S & Ev & _).
    specialize (Ev h). rewrite Hp in Ev. pose proof (Hc x Ix). pose proof (Hc y Iy).
    assert (0 <= (1 - s) * ev h (cor x)) by (apply Rmult_le_pos; lra). assert (0 <= s * ev h (cor y)) by (apply Rmult_le_pos; lra).
    split; apply Back; auto; nra.
Qed.

(* ---------- what is kept *)
Lemma fw_nonneg x : known q a out x -> (0 <= fw (snd x))%Z.
Proof. intros [_ E]. rewrite E, evalf_ok. cbn zeta. cbn [fw]. apply bits_nonneg. Qed.
Lemma two_wins x : known q a out x -> (two (fw (snd x)) = true <-> tie out q (cor x)).
Proof.
  intros K. rewrite (two_ok _ (fw_nonneg x K)). unfold tie. split; intros (k & j & N & A & B); exists k, j; (split; [exact N|]);
    (split; [apply (winners_bit x k K) | apply (winners_bit x j K)]); assumption.
Qed.
Lemma lands_pos k : In k (concat R) -> (0 < lands k)%Z. Proof. apply (look_all_spec R f looked). Qed.
Lemma plateau_spec k : In k (plateaus f) <-> In k (concat R) /\ two (lands k) = true.
Proof. destruct (look_all_spec R f looked) as (_ & -> & _). rewrite <- in_rev. apply filter_In. Qed.
Lemma segments_spec x : In x (segments f) <-> exists k e, In k (concat R) /\ In e (edges k) /\ x = segment e /\ two (snd x) = true.
Proof.
  destruct (look_all_spec R f looked) as (_ & _ & H & _). rewrite H. unfold tied. split.
  - intros (k & I & J). apply filter_In in J. destruct J as [J T0]. apply in_map_iff in J. destruct J as (e & <- & J). exists k, e; auto.
  - intros (k & e & I & J & -> & T0). exists k. split; [exact I|]. apply filter_In. split; [apply in_map, J | exact T0].
Qed.
Lemma dots_spec x : In x (dots f) <-> exists k y, In k (concat R) /\ In y k /\ x = dot_ y /\ two (snd x) = true.
Proof.
  destruct (look_all_spec R f looked) as (_ & _ & _ & H). rewrite H. unfold tied. split.
  - intros (k & I & J). apply filter_In in J. destruct J as [J T0]. apply in_map_iff in J. destruct J as (e & <- & J). exists k, e; auto.
  - intros (k & e & I & J & -> & T0). exists k. split; [exact I|]. apply filter_In. split; [apply in_map, J | exact T0].
Qed.
Definition covered_side (e : positive * positive) := exists k, In k (plateaus f) /\ In e (sides_of k).
Definition covered_dot (e : positive * positive) := (exists k, In k (plateaus f) /\ In e (corners_of k)) \/ exists s, In s (segments f) /\ In e (ends_of s).
Lemma mem_sides e : mem (cover sides_of (plateaus f) no_pairs) e = true <-> covered_side e.
Proof. rewrite mem_cover, mem_none. unfold covered_side. intuition discriminate. Qed.
Lemma mem_dots e : mem (cover corners_of (plateaus f) (cover ends_of (segments f) no_pairs)) e = true <-> covered_dot e.
Proof. rewrite !mem_cover, mem_none. unfold covered_dot. intuition discriminate. Qed.
Lemma kept s P l (M : forall e, mem s e = true <-> P e) x : In x (fresh s l []) -> In x l /\ ~ P (fst x).
Proof. intros I. apply fresh_in in I. destruct I as [[]|[I N]]. split; [exact I|]. rewrite <- M. congruence. Qed.
Lemma keep s (P : positive * positive -> Prop) l (M : forall e, mem s e = true <-> P e) x :
  In x l -> P (fst x) \/ exists y, In y (fresh s l []) /\ fst y = fst x.
Proof. intros I. destruct (mem s (fst x)) eqn:N; [left; apply M, N|]. right. apply fresh_all. auto. Qed.
Lemma kept_segment x : In x (kept_segments f) -> In x (segments f) /\ ~ covered_side (fst x). Proof. exact (kept _ _ _ mem_sides x). Qed.
Lemma keep_segment x : In x (segments f) -> covered_side (fst x) \/ exists y, In y (kept_segments f) /\ fst y = fst x. Proof. exact (keep _ _ _ mem_sides x). Qed.
Lemma kept_dot x : In x (kept_dots f) -> In x (dots f) /\ ~ covered_dot (fst x). Proof. exact (kept _ _ _ mem_dots x). Qed.
Lemma keep_dot x : In x (dots f) -> covered_dot (fst x) \/ exists y, In y (kept_dots f) /\ fst y = fst x. Proof. exact (keep _ _ _ mem_dots x). Qed.

(* ---------- faces *)
Lemma wanted_in t : In t (wanted f) <-> (exists k, In k (plateaus f) /\ t = of_plateau k) \/
  (exists x, In x (kept_segments f) /\ t = of_segment x) \/ exists x, In x (kept_dots f) /\ t = of_dot x.
Proof.
  unfold wanted. rewrite !in_app_iff, !in_map_iff. split.
  - intros [(x & <- & I)|[(x & <- & I)|(x & <- & I)]]; [left | right; left | right; right]; exists x; auto.
  - intros [(x & I & ->)|[(x & I & ->)|(x & I & ->)]]; [left | right; left | right; right]; exists x; auto.
Qed.
Lemma long k : In k (concat R) -> exists i j l t, map fst k = i :: j :: l :: t.
Proof.
  intros I. destruct (ccw_ k I) as [L _]. unfold points in L. rewrite map_length in L.
  destruct k as [|x [|y [|z t]]]; simpl in L; try lia. exists (fst x), (fst y), (fst z), (map fst t). reflexivity.
Qed.
Lemma face_plateau k p : In k (concat R) -> (face a (map fst k) p <-> inP (points k) p) /\ (within a (map fst k) p <-> inside (points k) p).
Proof.
  intros I. rewrite (pts k I). unfold shape_of. destruct (long k I) as (i & j & l & t & E). rewrite E. split; reflexivity.
Qed.
Lemma face_segment e p : let '(i, j, m) := segment e in
  (face a [i; j] p <-> exists t, 0 <= t <= 1 /\ p = at_ t (cor (fst e)) (cor (snd e))) /\ (within a [i; j] p <-> on p (cor (fst e)) (cor (snd e))).
Proof.
  destruct e as [x y]. unfold segment, pair_of. cbn [fst snd]. destruct (Pos.ltb (fst x) (fst y)); cbn [face within]; [split; reflexivity|]. split.
  - split; intros (t & T0 & ->); exists (1 - t); (split; [lra | apply at_rev]).
  - split; apply on_swap.
Qed.
Lemma segment_pair e : exists i j m, segment e = (i, j, m). Proof. destruct (segment e) as [[i j] m]. eauto. Qed.
Lemma on_face k e t : In k (concat R) -> In e (edges k) -> 0 <= t <= 1 -> inP (points k) (at_ t (cor (fst e)) (cor (snd e))).
Proof.
  intros I E T0. pose proof (edge_in _ _ E) as [A B]. apply segment_in; [apply conv_, I | apply pts_in; auto | apply pts_in; auto | exact T0].
Qed.
Lemma segment_bit k e i : In k (concat R) -> In e (edges k) -> (bit (snd (segment e)) i = true <-> wins (cor (fst e)) i /\ wins (cor (snd e)) i).
Proof.
  intros I E. pose proof (edge_in _ _ E) as [A B]. unfold segment. cbn [snd]. rewrite land_bit.
  rewrite (winners_bit _ i (known_ k _ I A)), (winners_bit _ i (known_ k _ I B)). reflexivity.
Qed.
(* on a wanted face exactly the outputs of its mask are largest all along, and they are two at least *)
Theorem face_outputs t : In t (wanted f) -> (forall p, face a (fst t) p -> inP (windowR q) p /\ forall i, bit (snd t) i = true -> wins p i) /\
  (forall i, (forall p, face a (fst t) p -> wins p i) -> bit (snd t) i = true) /\ exists k j, k <> j /\ bit (snd t) k = true /\ bit (snd t) j = true.
Proof.
  assert (InW : forall k p, In k (concat R) -> inP (points k) p -> inP (windowR q) p).
  { intros k p I J. destruct (piece_nth k I) as (n & Hn). apply (in_window q a ok (map fst k)).
    - eapply nth_error_In, piece_names, Hn.
    - rewrite <- (pts k I). exact J. }
  intros H. apply wanted_in in H. destruct H as [(k & I & ->)|[(x & I & ->)|(x & I & ->)]].
  - apply plateau_spec in I. destruct I as [I T0]. cbn [of_plateau fst snd]. split; [|split].
    + intros p J. apply (face_plateau k p I) in J. split; [apply (InW k); assumption|]. intros i B. apply (wins_piece k i I); [apply (lands_wins k I), B | exact J].
    + intros i X. apply (lands_wins k I). intros x Ix. apply X. apply (face_plateau k _ I). apply corner_in; [apply conv_, I | apply pts_in; assumption].
    + apply two_ok; [apply Z.lt_le_incl, lands_pos, I | exact T0].
  - apply kept_segment in I. destruct I as [I _]. apply segments_spec in I. destruct I as (k & e & I & E & -> & T0).
    pose proof (fun p => face_segment e p) as FS. pose proof (fun i => segment_bit k e i I E) as SB.
    pose proof (edge_in _ _ E) as [Ex Ey]. destruct (segment_pair e) as (i0 & j0 & m & Es). rewrite Es in *. cbn [of_segment fst snd] in *. split; [|split].
    + intros p J. apply FS in J. destruct J as (t & T1 & ->). split; [apply (InW k); [exact I | apply on_face; assumption]|].
      intros i B. apply SB in B. apply (wins_segment k); tauto.
    + intros i X. apply SB. split; apply X, FS; [exists 0 | exists 1]; (split; [lra | rewrite ?at_zero, ?at_one; reflexivity]).
    + apply two_ok; [|exact T0]. assert (Em : m = snd (segment e)) by (rewrite Es; reflexivity). rewrite Em. unfold segment. cbn [snd].
      apply Z.land_nonneg. left. apply fw_nonneg, (known_ k); assumption.
  - apply kept_dot in I. destruct I as [I _]. apply dots_spec in I. destruct I as (k & y & I & J & -> & T0). pose proof (known_ k y I J) as K.
    cbn [of_dot dot_ fst snd face] in *. split; [|split].
    + intros p ->. split; [apply (InW k); [exact I | apply corner_in; [apply conv_, I | apply pts_in; assumption]]|]. intros i B. apply winners_bit; assumption.
    + intros i X. apply winners_bit; [exact K | apply X; reflexivity].
    + apply two_ok; [apply fw_nonneg, K | exact T0].
Qed.
(* a tie of a piece lies on a wanted face *)
Lemma side_covers k e p t : In k (concat R) -> In e (edges k) -> two (snd (segment e)) = true -> 0 <= t <= 1 -> p = at_ t (cor (fst e)) (cor (snd e)) ->
  exists w, In w (wanted f) /\ face a (fst w) p.
Proof.
  intros I E T0 Ht Ep. assert (S : In (segment e) (segments f)) by (apply segments_spec; exists k, e; auto).
  destruct (keep_segment _ S) as [(k' & I' & J)|(y & Iy & Ey)].
  - exists (of_plateau k'). split; [apply wanted_in; left; exists k'; auto|]. cbn [of_plateau fst]. apply plateau_spec in I'. destruct I' as [I' _].
    apply (face_plateau k' p I'). unfold sides_of in J. apply in_map_iff in J. destruct J as (e' & Ee & J).
    assert (X : face a [fst (fst (segment e)); snd (fst (segment e))] p).
    { pose proof (face_segment e p) as FS. destruct (segment e) as [[i j] m]. apply FS. exists t; auto. }
    rewrite <- Ee in X. pose proof (face_segment e' p) as FS. destruct (segment e') as [[i j] m]. apply FS in X. destruct X as (t' & T' & ->). apply on_face; assumption.
  - exists (of_segment y). split; [apply wanted_in; right; left; exists y; auto|].
    pose proof (face_segment e p) as FS. destruct y as [[i' j'] m']. cbn [fst] in Ey. cbn [of_segment fst].
    destruct (segment e) as [[i j] m]. cbn [fst] in Ey. injection Ey as -> ->. apply FS. exists t; auto.
Qed.
Lemma corner_covers k x : In k (concat R) -> In x k -> tie out q (cor x) -> exists w, In w (wanted f) /\ face a (fst w) (cor x).
Proof.
  intros I J T0. assert (S : In (dot_ x) (dots f)) by (apply dots_spec; exists k, x; split; [|split; [|split]]; auto; apply two_wins; [apply (known_ k); auto | exact T0]).
  destruct (keep_dot _ S) as [[(k' & I' & J')|(s & Is & J')]|(y & Iy & Ey)].
  - exists (of_plateau k'). split; [apply wanted_in; left; exists k'; auto|]. cbn [of_plateau fst]. apply plateau_spec in I'. destruct I' as [I' _].
    apply (face_plateau k' _ I'). unfold corners_of in J'. apply in_map_iff in J'. destruct J' as (z & Ez & Iz). cbn [dot_ fst] in Ez. injection Ez as Ez.
    rewrite <- Ez. apply corner_in; [apply conv_, I' | apply pts_in; assumption].
  - pose proof Is as Is0. apply segments_spec in Is. destruct Is as (k' & e & Ik & Ie & -> & T1).
    assert (X : cor x = cor (fst e) \/ cor x = cor (snd e)).
    { unfold segment, pair_of in J'. cbn [fst snd dot_] in J'. destruct (Pos.ltb (fst (fst e)) (fst (snd e))); cbn [ends_of] in J'; destruct J' as [E|[E|[]]]; injection E as E; rewrite E; auto. }
    destruct X as [X|X]; [apply (side_covers k' e (cor x) 0) | apply (side_covers k' e (cor x) 1)]; auto; try lra; rewrite ?at_zero, ?at_one; exact X.
  - exists (of_dot y). split; [apply wanted_in; right; right; exists y; auto|]. destruct y as [[i' j'] m']. cbn [fst dot_] in Ey. injection Ey as -> ->. reflexivity.
Qed.
Theorem faces_cover p : inP (windowR q) p -> tie out q p -> exists w, In w (wanted f) /\ face a (fst w) p.
Proof.
  intros Wp (i & j & N & Wi & Wj). destruct (check_sound q a ok) as (_ & _ & _ & Cv & _). apply Cv in Wp. destruct Wp as (l & Il & J).
  rewrite <- (R_pieces q a out ok R R_is) in Il. rewrite <- concat_map in Il. apply in_map_iff in Il. destruct Il as (k & <- & I).
  destruct (ccw_ k I) as [L Cc]. destruct (boundary_point (points k) p L Cc J) as [A|[A|(b & c & E & O)]].
  - exists (of_plateau k). split; [|apply (face_plateau k p I), J]. apply wanted_in. left. exists k. split; [|reflexivity]. apply plateau_spec. split; [exact I|].
    apply two_ok; [apply Z.lt_le_incl, lands_pos, I|]. exists i, j. split; [exact N|]. split; apply (lands_wins k I); apply (wins_back k p); assumption.
  - apply (in_pts k p I) in A. destruct A as (x & Ix & ->). apply (corner_covers k x I Ix). exists i, j. auto.
  - apply (edge_pts k b c I) in E. destruct E as (x & y & E & -> & ->). pose proof (edge_in _ _ E) as [Ex Ey]. cbn [fst snd] in Ex, Ey.
    destruct (on_at _ _ _ O) as (t & T0 & Ep). apply (side_covers k (x, y) p t I E); [|exact T0 | exact Ep].
    apply two_ok. { unfold segment. cbn [fst snd]. apply Z.land_nonneg. left. apply fw_nonneg, (known_ k); assumption. }
    exists i, j. split; [exact N|]. split; apply (segment_bit k (x, y) _ I E); apply (wins_back k p); assumption.
Qed.

(* ---------- no two kept faces overlap, and none covers another *)
Lemma pair_sym u v : pair_of u v = pair_of v u.
Proof. unfold pair_of. destruct (Pos.ltb_spec u v), (Pos.ltb_spec v u); try reflexivity; try lia. assert (u = v) by lia. congruence. Qed.
Lemma segment_ends e : In (fst (fst e), fst (fst e)) (ends_of (segment e)) /\ In (fst (snd e), fst (snd e)) (ends_of (segment e)).
Proof. destruct e as [x y]. unfold segment, pair_of. cbn [fst snd]. destruct (Pos.ltb (fst x) (fst y)); cbn [ends_of In]; auto. Qed.
Lemma not_corner k e p : In k (concat R) -> In e (edges k) -> on p (cor (fst e)) (cor (snd e)) -> ~ In p (points k).
Proof.
  intros I E O J. destruct e as [x y]. apply (corner_not_on (points k) (cor x) (cor y) p); auto; [apply ccw_, I | apply conv_, I | apply pts_edge; assumption].
Qed.
Lemma same_edge k e e' p : In k (concat R) -> In e (edges k) -> In e' (edges k) -> on p (cor (fst e)) (cor (snd e)) -> on p (cor (fst e')) (cor (snd e')) ->
  fst (segment e) = fst (segment e').
Proof.
  intros I E E' O O'. destruct e as [x y], e' as [x' y']. cbn [fst snd] in *.
  pose proof (edges_cross (points k) _ _ _ _ p (proj2 (ccw_ k I)) (conv_ k I) (pts_edge k x y I E) (pts_edge k x' y' I E') O O') as X. injection X as X Y.
  pose proof (edge_in _ _ E) as [Ix Iy]. pose proof (edge_in _ _ E') as [Ix' Iy']. cbn [fst snd] in *.
  unfold segment. cbn [fst snd]. rewrite (same_name k k x' x I I Ix' Ix X), (same_name k k y' y I I Iy' Iy Y). reflexivity.
Qed.
Lemma meet_edge n n' k k' e p : piece n k -> piece n' k' -> n <> n' -> In e (edges k) -> on p (cor (fst e)) (cor (snd e)) -> inP (points k') p ->
  exists e', In e' (edges k') /\ fst (segment e') = fst (segment e) /\ on p (cor (fst e')) (cor (snd e')).
Proof.
  intros Hn Hn' N E O J. pose proof (piece_in n k Hn) as I. pose proof (piece_in n' k' Hn') as I'.
  destruct (neighbours q a ok n n' (map fst k) (map fst k') p (piece_names n k Hn) (piece_names n' k' Hn') N) as (u & v & E1 & E2 & O1).
  - rewrite <- (pts k I). destruct (on_at _ _ _ O) as (t & T0 & ->). apply on_face; assumption.
  - rewrite <- (pts k' I'). exact J.
  - change (~ In p (shape_of a (map fst k))). rewrite <- (pts k I). apply (not_corner k e p I E O).
  - rewrite edges_map in E1, E2. apply in_map_iff in E1, E2. destruct E1 as ([x1 y1] & Q1 & E1), E2 as ([x2 y2] & Q2 & E2).
    injection Q1 as <- <-. injection Q2 as Q2 Q3. cbn [fst snd] in *. exists (x2, y2). split; [exact E2|]. split.
    + rewrite <- (same_edge k (x1, y1) e p I E1 E O1 O). unfold segment. cbn [fst snd]. rewrite Q2, Q3. apply pair_sym.
    + cbn [fst snd]. rewrite Q2, Q3. apply on_swap, O1.
Qed.
Definition kept_edge (x : positive * positive * Z) k e := In x (kept_segments f) /\ In k (concat R) /\ In e (edges k) /\ x = segment e.
Definition kept_corner (x : positive * positive * Z) k y := In x (kept_dots f) /\ In k (concat R) /\ In y k /\ x = dot_ y.
Lemma segment_origin x : In x (kept_segments f) -> exists k e, kept_edge x k e.
Proof.
  intros I. destruct (kept_segment x I) as [S _]. apply segments_spec in S. destruct S as (k & e & A & B & C & _). exists k, e. repeat split; assumption.
Qed.
Lemma dot_origin x : In x (kept_dots f) -> exists k y, kept_corner x k y.
Proof.
  intros I. destruct (kept_dot x I) as [S _]. apply dots_spec in S. destruct S as (k & y & A & B & C & _). exists k, y. repeat split; assumption.
Qed.
Lemma plateau_origin k : In k (plateaus f) -> In k (concat R). Proof. intros I. apply plateau_spec in I. apply I. Qed.
Lemma edge_plateau x k e k' p : kept_edge x k e -> In k' (plateaus f) -> on p (cor (fst e)) (cor (snd e)) -> inP (points k') p -> False.
Proof.
  intros (Ix & I & E & Ex) P' O J. destruct (kept_segment x Ix) as [_ NC]. apply NC. exists k'. split; [exact P'|]. unfold sides_of.
  destruct (piece_nth k I) as (n & Hn), (piece_nth k' (plateau_origin k' P')) as (n' & Hn'). destruct (Nat.eq_dec n n') as [->|N].
  - assert (k' = k) by congruence. subst k' x. apply in_map_iff. exists e. auto.
  - destruct (meet_edge n n' k k' e p Hn Hn' N E O J) as (e' & E' & Q0 & _). subst x. apply in_map_iff. exists e'. auto.
Qed.
Lemma edge_edge x k e x' k' e' p : kept_edge x k e -> kept_edge x' k' e' -> on p (cor (fst e)) (cor (snd e)) -> on p (cor (fst e')) (cor (snd e')) -> fst x = fst x'.
Proof.
  intros (_ & I & E & ->) (_ & I' & E' & ->) O O'. destruct (piece_nth k I) as (n & Hn), (piece_nth k' I') as (n' & Hn'). destruct (Nat.eq_dec n n') as [->|N].
  - assert (k' = k) by congruence. subst k'. apply (same_edge k e e' p); assumption.
  - destruct (meet_edge n n' k k' e p Hn Hn' N E O) as (e2 & E2 & Q0 & O2).
    + destruct (on_at _ _ _ O') as (t & T0 & ->). apply on_face; assumption.
    + rewrite <- Q0. apply (same_edge k' e2 e' p); assumption.
Qed.
Lemma corner_meet k k' y : In k (concat R) -> In k' (concat R) -> In y k -> inP (points k') (cor y) -> In (cor y) (points k').
Proof.
  intros I I' J H. destruct (piece_nth k I) as (n & Hn), (piece_nth k' I') as (n' & Hn'). destruct (Nat.eq_dec n n') as [->|N].
  - assert (k' = k) by congruence. subst k'. apply pts_in; assumption.
  - rewrite (pts k' I'). apply (faces_meet q a ok n n' (map fst k) (map fst k') (cor y) (piece_names n k Hn) (piece_names n' k' Hn') N).
    + rewrite <- (pts k I). apply pts_in; assumption.
    + rewrite <- (pts k' I'). exact H.
Qed.
Lemma corner_plateau x k y k' : kept_corner x k y -> In k' (plateaus f) -> inP (points k') (cor y) -> False.
Proof.
  intros (Ix & I & J & ->) P' H. destruct (kept_dot _ Ix) as [_ NC]. apply NC. left. exists k'. split; [exact P'|]. pose proof (plateau_origin k' P') as I'.
  pose proof (corner_meet k k' y I I' J H) as C. apply (in_pts k' _ I') in C. destruct C as (z & Iz & Ez).
  unfold corners_of. apply in_map_iff. exists z. split; [|exact Iz]. cbn [dot_ fst]. rewrite (same_name k k' y z I I' J Iz Ez). reflexivity.
Qed.
Lemma corner_edge x k y x' k' e t : kept_corner x k y -> kept_edge x' k' e -> 0 <= t <= 1 -> cor y = at_ t (cor (fst e)) (cor (snd e)) -> False.
Proof.
  intros (Ix & I & J & ->) (Ix' & I' & E & ->) T0 Ey. destruct (kept_dot _ Ix) as [_ NC]. apply NC. right. exists (segment e).
  split; [apply (kept_segment _ Ix')|]. pose proof (segment_ends e) as [S1 S2]. pose proof (edge_in _ _ E) as [Ea Eb]. cbn [dot_ fst].
  destruct (at_on _ _ _ t T0 Ey) as [X|[X|X]].
  - rewrite (same_name k k' y (fst e) I I' J Ea X). exact S1.
  - rewrite (same_name k k' y (snd e) I I' J Eb X). exact S2.
  - exfalso. apply (not_corner k' e (cor y) I' E X). apply (corner_meet k k' y I I' J). rewrite Ey. apply on_face; assumption.
Qed.
Lemma plateau_plateau k k' p : In k (plateaus f) -> In k' (plateaus f) -> inside (points k) p -> inP (points k') p -> map fst k = map fst k'.
Proof.
  intros I I' A B. apply plateau_origin in I, I'. destruct (piece_nth k I) as (n & Hn), (piece_nth k' I') as (n' & Hn'). destruct (Nat.eq_dec n n') as [->|N]; [congruence|].
  exfalso. apply (not_in_both q a ok n n' (map fst k) (map fst k') p (piece_names n k Hn) (piece_names n' k' Hn') N); [rewrite <- (pts k I) | rewrite <- (pts k' I')]; assumption.
Qed.
Lemma within_face t p : In t (wanted f) -> within a (fst t) p -> face a (fst t) p.
Proof.
  intros H W. apply wanted_in in H. destruct H as [(k & I & ->)|[(x & I & ->)|(x & I & ->)]].
  - apply plateau_origin in I. apply (face_plateau k p I). apply inside_inP. apply (face_plateau k p I), W.
  - destruct x as [[i j] m]. apply on_at, W.
  - destruct x as [[i j] m]. exact W.
Qed.
Lemma edge_faces x k e p : kept_edge x k e -> (face a (fst (of_segment x)) p <-> exists t, 0 <= t <= 1 /\ p = at_ t (cor (fst e)) (cor (snd e))) /\
  (within a (fst (of_segment x)) p <-> on p (cor (fst e)) (cor (snd e))).
Proof. intros (_ & _ & _ & ->). pose proof (face_segment e p) as FS. destruct (segment e) as [[i j] m]. exact FS. Qed.
Lemma corner_faces x k y p : kept_corner x k y -> (face a (fst (of_dot x)) p <-> p = cor y) /\ (within a (fst (of_dot x)) p <-> p = cor y).
Proof. intros (_ & _ & _ & ->). split; reflexivity. Qed.
Theorem no_overlap t t' p : In t (wanted f) -> In t' (wanted f) -> fst t <> fst t' -> within a (fst t) p ->
  ~ within a (fst t') p /\ ((dimension (fst t) < dimension (fst t'))%nat -> ~ face a (fst t') p).
Proof.
  intros H H' N W. pose proof H as H0. pose proof H' as H0'. apply wanted_in in H, H'.
  assert (DP : forall k, In k (plateaus f) -> dimension (fst (of_plateau k)) = 3%nat).
  { intros k I. apply plateau_origin in I. cbn [of_plateau fst]. destruct (long k I) as (i & j & l & r & E). rewrite E. unfold dimension. simpl length. lia. }
  assert (DS : forall x, dimension (fst (of_segment x)) = 2%nat) by (intros [[i j] m]; reflexivity).
  assert (DD : forall x, dimension (fst (of_dot x)) = 1%nat) by (intros [[i j] m]; reflexivity).
  destruct H as [(k & I & ->)|[(x & I & ->)|(x & I & ->)]].
  - rewrite (DP k I). split; [|intros L; exfalso; unfold dimension in L; lia].
    pose proof (plateau_origin k I) as Ik. apply (face_plateau k p Ik) in W. intros W'.
    destruct H' as [(k' & I' & ->)|[(x' & I' & ->)|(x' & I' & ->)]].
    + pose proof (plateau_origin k' I') as Ik'. apply (face_plateau k' p Ik') in W'. apply N. apply (plateau_plateau k k' p I I' W (inside_inP _ _ W')).
    + destruct (segment_origin x' I') as (k' & e & K'). apply (edge_faces x' k' e p K') in W'. apply (edge_plateau x' k' e k p K' I W'). apply inside_inP, W.
    + destruct (dot_origin x' I') as (k' & y & K'). apply (corner_faces x' k' y p K') in W'. subst p. apply (corner_plateau x' k' y k K' I). apply inside_inP, W.
  - destruct (segment_origin x I) as (k & e & K). apply (edge_faces x k e p K) in W.
    destruct H' as [(k' & I' & ->)|[(x' & I' & ->)|(x' & I' & ->)]].
    + assert (Q0 : ~ face a (fst (of_plateau k')) p). { intros J. apply (face_plateau k' p (plateau_origin k' I')) in J. apply (edge_plateau x k e k' p K I' W J). }
      split; [|auto]. intros W'. apply Q0, within_face; assumption.
    + rewrite !DS. split; [|lia]. intros W'. destruct (segment_origin x' I') as (k' & e' & K'). apply (edge_faces x' k' e' p K') in W'.
      apply N. pose proof (edge_edge x k e x' k' e' p K K' W W') as Q0. destruct x as [[i j] m], x' as [[i' j'] m']. cbn [fst] in Q0. injection Q0 as -> ->. reflexivity.
    + rewrite DS, DD. split; [|lia]. intros W'. destruct (dot_origin x' I') as (k' & y & K'). apply (corner_faces x' k' y p K') in W'.
      destruct (on_at _ _ _ W) as (t & T0 & Ep). apply (corner_edge x' k' y x k e t K' K T0). congruence.
  - destruct (dot_origin x I) as (k & y & K). apply (corner_faces x k y p K) in W. subst p.
    destruct H' as [(k' & I' & ->)|[(x' & I' & ->)|(x' & I' & ->)]].
    + assert (Q0 : ~ face a (fst (of_plateau k')) (cor y)). { intros J. apply (face_plateau k' _ (plateau_origin k' I')) in J. apply (corner_plateau x k y k' K I' J). }
      split; [|auto]. intros W'. apply Q0, within_face; assumption.
    + assert (Q0 : ~ face a (fst (of_segment x')) (cor y)).
      { intros J. destruct (segment_origin x' I') as (k' & e & K'). apply (edge_faces x' k' e _ K') in J. destruct J as (t & T0 & Ep). apply (corner_edge x k y x' k' e t K K' T0 Ep). }
      split; [|auto]. intros W'. apply Q0, within_face; assumption.
    + rewrite !DD. split; [|lia]. intros W'. destruct (dot_origin x' I') as (k' & y' & K'). apply (corner_faces x' k' y' _ K') in W'.
      destruct K as (_ & Ik & Iy & ->), K' as (_ & Ik' & Iy' & ->). apply N. cbn [of_dot dot_ fst]. rewrite (same_name k k' y y' Ik Ik' Iy Iy' W'). reflexivity.
Qed.
Lemma edge_ends k e : In k (concat R) -> In e (edges k) -> cor (fst e) <> cor (snd e).
Proof. intros I E. destruct e as [x y]. apply (edge_ne (points k)); [apply conv_, I | apply pts_edge; assumption]. Qed.
Theorem none_covers t t' : In t (wanted f) -> In t' (wanted f) -> fst t <> fst t' -> exists p, face a (fst t) p /\ ~ face a (fst t') p.
Proof.
  intros H H' N. pose proof (no_overlap t t') as NO. pose proof (fun p => within_face t p H) as WF. pose proof H as H0. pose proof H' as H0'. apply wanted_in in H, H'.
  assert (DS : forall x, dimension (fst (of_segment x)) = 2%nat) by (intros [[i j] m]; reflexivity).
  assert (DD : forall x, dimension (fst (of_dot x)) = 1%nat) by (intros [[i j] m]; reflexivity).
  assert (DP : forall k, In k (plateaus f) -> dimension (fst (of_plateau k)) = 3%nat).
  { intros k I. apply plateau_origin in I. cbn [of_plateau fst]. destruct (long k I) as (i & j & l & r & E). rewrite E. unfold dimension. simpl length. lia. }
  destruct H as [(k & I & ->)|[(x & I & ->)|(x & I & ->)]].
  - pose proof (plateau_origin k I) as Ik. pose proof (conv_ k Ik) as Ck. pose proof (middle_inside _ Ck) as M.
    destruct H' as [(k' & I' & ->)|[(x' & I' & ->)|(x' & I' & ->)]].
    + exists (middle (points k)). split; [apply (face_plateau k _ Ik), inside_inP, M|]. intros J. apply (face_plateau k' _ (plateau_origin k' I')) in J.
      apply N. apply (plateau_plateau k k' _ I I' M J).
    + destruct (segment_origin x' I') as (k' & e & K'). destruct (three _ (proj1 (ccw_ k Ik)) (proj2 (ccw_ k Ik))) as (p0 & p1 & p2 & r & E & O).
      assert (X : exists c, In c (points k) /\ orient (cor (fst e)) (cor (snd e)) c <> 0).
      { set (h := line (cor (fst e)) (cor (snd e))). rewrite E.
        destruct (Req_dec (ev h p0) 0) as [Z0|Z0]; [|exists p0; rewrite <- ev_line; simpl; auto].
        destruct (Req_dec (ev h p1) 0) as [Z1|Z1]; [|exists p1; rewrite <- ev_line; simpl; auto].
        destruct (Req_dec (ev h p2) 0) as [Z2|Z2]; [|exists p2; rewrite <- ev_line; simpl; auto].
        exfalso. destruct K' as (_ & Ik' & Ie & _). destruct (edge_strict (points k') _ (conv_ k' Ik') (pts_edge k' (fst e) (snd e) Ik' ltac:(destruct e; exact Ie))) as (c & _ & Kc).
        cbn [fst snd] in Kc. pose proof (three_zero h p0 p1 p2 O Z0 Z1 Z2 c) as Z3. unfold h in Z3. rewrite ev_line in Z3. lra. }
      destruct X as (c & Ic & Oc). exists c. split; [apply (face_plateau k _ Ik), corner_in; assumption|]. intros J.
      apply (edge_faces x' k' e c K') in J. destruct J as (t & _ & ->). apply Oc. unfold orient, at_; simpl. ring.
    + destruct (dot_origin x' I') as (k' & y & K'). destruct (three _ (proj1 (ccw_ k Ik)) (proj2 (ccw_ k Ik))) as (p0 & p1 & p2 & r & E & O).
      assert (X : p0 <> p1) by (intros ->; apply O, orient_same).
      assert (In0 : In p0 (points k)) by (rewrite E; simpl; auto). assert (In1 : In p1 (points k)) by (rewrite E; simpl; auto).
      destruct (pt_dec p0 (cor y)) as [Y|Y]; [exists p1 | exists p0]; (split; [apply (face_plateau k _ Ik), corner_in; assumption|]);
        intros J; apply (corner_faces x' k' y _ K') in J; congruence.
  - destruct (segment_origin x I) as (k & e & K). pose proof (proj1 (proj2 K)) as Ik. pose proof (proj1 (proj2 (proj2 K))) as Ie.
    pose proof (edge_ends k e Ik Ie) as Ne.
    destruct H' as [(k' & I' & ->)|[(x' & I' & ->)|(x' & I' & ->)]].
    + set (p := at_ (1 / 2) (cor (fst e)) (cor (snd e))). assert (O : within a (fst (of_segment x)) p) by (apply (edge_faces x k e p K); exists (1 / 2); split; [lra | reflexivity]).
      exists p. split; [apply WF, O|]. apply (NO p H0 H0' N O). rewrite DS, (DP k' I'). lia.
    + destruct (segment_origin x' I') as (k' & e' & K').
      destruct (off_points [cor (fst e'); cor (snd e')] _ _ 0 1 Ne) as (l & h & L1 & L2 & L3 & L4); [lra|].
      set (p := at_ ((l + h) / 2) (cor (fst e)) (cor (snd e))).
      assert (O : within a (fst (of_segment x)) p) by (apply (edge_faces x k e p K); exists ((l + h) / 2); split; [lra | reflexivity]).
      assert (Off : ~ In p [cor (fst e'); cor (snd e')]) by (apply L4; lra).
      exists p. split; [apply WF, O|]. intros J. apply (edge_faces x' k' e' p K') in J. destruct J as (t & T0 & Ep).
      destruct (at_on _ _ _ t T0 Ep) as [X|[X|X]]; [apply Off; simpl; auto | apply Off; simpl; auto|].
      apply (proj1 (NO p H0 H0' N O)). apply (edge_faces x' k' e' p K'), X.
    + destruct (dot_origin x' I') as (k' & y & K').
      destruct (pt_dec (cor (fst e)) (cor y)) as [Y|Y]; [exists (cor (snd e)) | exists (cor (fst e))];
        (split; [apply (edge_faces x k e _ K) | intros J; apply (corner_faces x' k' y _ K') in J; congruence]).
      * exists 1. split; [lra | rewrite at_one; reflexivity].
      * exists 0. split; [lra | rewrite at_zero; reflexivity].
  - destruct (dot_origin x I) as (k & y & K). assert (W : within a (fst (of_dot x)) (cor y)) by (apply (corner_faces x k y _ K); reflexivity).
    exists (cor y). split; [apply WF, W|]. destruct (NO (cor y) H0 H0' N W) as [N1 N2]. destruct H' as [(k' & I' & ->)|[(x' & I' & ->)|(x' & I' & ->)]].
    + apply N2. rewrite DD, (DP k' I'). lia.
    + apply N2. rewrite DD, DS. lia.
    + destruct (dot_origin x' I') as (k' & y' & K'). intros J. apply N1. apply (proj2 (corner_faces x' k' y' _ K')). apply (proj1 (corner_faces x' k' y' _ K')), J.
Qed.
Lemma NoDup_join {X} (l m : list X) : NoDup l -> NoDup m -> (forall x, In x l -> ~ In x m) -> NoDup (l ++ m).
Proof.
  intros Nl Nm D. induction Nl as [|x l Nx _ IH]; [exact Nm|]. cbn [app]. constructor.
  - rewrite in_app_iff. intros [I|I]; [contradiction | apply (D x); simpl; auto].
  - apply IH. intros y I. apply D. right; exact I.
Qed.
Lemma NoDup_by_place {X Y} (g : X -> Y) l : (forall n n' x x', nth_error l n = Some x -> nth_error l n' = Some x' -> n <> n' -> g x <> g x') -> NoDup (map g l).
Proof.
  induction l as [|x l IH]; intros H; cbn [map]; constructor.
  - intros I. apply in_map_iff in I. destruct I as (y & E & I). apply In_nth_error in I. destruct I as (n & Hn). apply (H 0%nat (S n) x y); auto.
  - apply IH. intros n n' y y' Hn Hn' N. apply (H (S n) (S n')); auto.
Qed.
Theorem faces_once : NoDup (map fst (wanted f)).
Proof.
  unfold wanted. rewrite !map_app. apply NoDup_join; [|apply NoDup_join|].
  - rewrite map_map. destruct (look_all_spec R f looked) as (_ & Ep & _). rewrite Ep, map_rev.
    eapply Permutation_NoDup; [apply Permutation_rev|].
    assert (ND : NoDup (map (map fst) (concat R))).
    { apply NoDup_by_place. intros n n' k k' Hn Hn' N E. pose proof (piece_in n k Hn) as I.
      pose proof (middle_inside _ (conv_ k I)) as M. rewrite (pts k I) in M.
      apply (apart q a ok n n' (map fst k) (map fst k') _ (piece_names n k Hn) (piece_names n' k' Hn') N M). rewrite <- E. exact M. }
    clear - ND. unfold of_plateau. cbn [fst]. induction (concat R) as [|k l IH]; [constructor|]. cbn [map filter] in *. inversion ND as [|? ? N1 N2]; subst.
    destruct (two (lands k)); [|apply IH, N2]. cbn [map]. constructor; [|apply IH, N2]. intros I. apply N1. apply in_map_iff in I.
    destruct I as (y & E & I). apply filter_In in I. apply in_map_iff. exists y. split; [exact E | apply I].
  - rewrite map_map. assert (ND : NoDup (map fst (kept_segments f))) by (apply fresh_once; [constructor | intros x []]).
    induction (kept_segments f) as [|x l IH]; cbn [map] in *; [constructor|]. inversion ND as [|? ? N1 N2]; subst. constructor; [|apply IH, N2].
    intros I. apply N1. apply in_map_iff in I. destruct I as (y & E & I). apply in_map_iff. exists y. split; [|exact I].
    destruct x as [[i j] m], y as [[i' j'] m']. cbn [of_segment fst] in *. congruence.
  - rewrite map_map. assert (ND : NoDup (map fst (kept_dots f))) by (apply fresh_once; [constructor | intros x []]).
    assert (Sq : forall x, In x (kept_dots f) -> exists i, fst x = (i, i)).
    { intros x I. destruct (dot_origin x I) as (k & y & _ & _ & _ & ->). exists (fst y). reflexivity. }
    induction (kept_dots f) as [|x l IH]; cbn [map] in *; [constructor|]. inversion ND as [|? ? N1 N2]; subst. constructor; [|apply IH; [exact N2 | intros; apply Sq; right; assumption]].
    intros I. apply N1. apply in_map_iff in I. destruct I as (y & E & I). apply in_map_iff. exists y. split; [|exact I].
    destruct (Sq x (or_introl eq_refl)) as (u & Eu), (Sq y (or_intror I)) as (v & Ev).
    destruct x as [[i j] m], y as [[i' j'] m']. cbn [of_dot fst] in *. congruence.
  - intros x I J. apply in_map_iff in I, J. destruct I as (t & <- & I), J as (t' & E & J). apply in_map_iff in I, J.
    destruct I as ([[i j] m] & <- & _), J as ([[i' j'] m'] & <- & _). discriminate.
  - intros x I J. rewrite map_map in I. apply in_map_iff in I. destruct I as (k & <- & I). apply plateau_origin in I.
    destruct (long k I) as (i & j & l & r & E). cbn [of_plateau fst] in J. rewrite E, in_app_iff, !in_map_iff in J.
    destruct J as [(t & Et & J)|(t & Et & J)]; apply in_map_iff in J; destruct J as ([[i' j'] m'] & <- & _); discriminate.
Qed.
Theorem boundary ts : ties_ok R ts = true ->
  (forall p, inP (windowR q) p /\ tie out q p <-> exists t, In t ts /\ face a (fst t) p) /\
  (forall t, In t ts -> NoDup (snd t) /\ (forall i, In i (snd t) -> (0 <= i)%Z) /\
     forall i, In (Z.of_nat i) (snd t) <-> forall p, face a (fst t) p -> wins p i) /\
  NoDup (map fst ts) /\
  (forall t t', In t ts -> In t' ts -> fst t <> fst t' -> exists p, face a (fst t) p /\ ~ face a (fst t') p) /\
  (forall t t' p, In t ts -> In t' ts -> fst t <> fst t' -> within a (fst t) p ->
     ~ within a (fst t') p /\ ((dimension (fst t) < dimension (fst t'))%nat -> ~ face a (fst t') p)).
Proof.
  unfold ties_ok. cbn zeta. rewrite looked. intros H. apply andb_true_iff in H. destruct H as [H1 H2]. rewrite forallb_forall in H1. apply same_ties in H2.
  assert (Fwd : forall t, In t ts -> In (listed t) (wanted f)).
  { intros t I. apply (Permutation_in _ (Permutation_sym H2)), in_map, I. }
  assert (Bwd : forall w, In w (wanted f) -> exists t, In t ts /\ listed t = w).
  { intros w I. apply (Permutation_in _ H2) in I. apply in_map_iff in I. destruct I as (t & E & I). exists t; auto. }
  assert (Mk : forall t, In t ts -> forall j, bit (mask_of (snd t)) j = true <-> In (Z.of_nat j) (snd t)).
  { intros t I. apply mask_bit. specialize (H1 t I). apply andb_true_iff in H1. destruct H1 as [A _]. rewrite forallb_forall in *. intros k K.
    specialize (A k K). apply andb_true_iff in A. apply A. }
  split; [|split; [|split; [|split]]].
  - intros p. split.
    + intros [W T0]. destruct (faces_cover p W T0) as (w & I & J). destruct (Bwd w I) as (t & It & <-). exists t. auto.
    + intros (t & I & J). destruct (face_outputs (listed t) (Fwd t I)) as (A & _ & (i & j & N & Bi & Bj)). destruct (A p J) as [W X].
      split; [exact W|]. exists i, j. auto.
  - intros t I. destruct (face_outputs (listed t) (Fwd t I)) as (A & B & _). cbn [listed fst snd] in A, B. specialize (H1 t I). apply andb_true_iff in H1. destruct H1 as [K1 K2].
    split; [|split].
    + apply all_different_ok in K2. apply NoDup_map_inv in K2. exact K2.
    + intros i Ii. rewrite forallb_forall in K1. specialize (K1 i Ii). apply andb_true_iff in K1. apply Z.leb_le, K1.
    + intros i. rewrite <- (Mk t I i). split; [intros X p J; apply A; assumption | apply B].
  - pose proof faces_once as N. eapply Permutation_NoDup in N; [|apply Permutation_map, H2]. rewrite map_map in N. exact N.
  - intros t t' I I' N. apply (none_covers (listed t) (listed t') (Fwd t I) (Fwd t' I') N).
  - intros t t' p I I' N. apply (no_overlap (listed t) (listed t') p (Fwd t I) (Fwd t' I') N).
Qed.
End boundary.
